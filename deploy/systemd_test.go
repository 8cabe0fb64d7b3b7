package deploy_test

import (
	"slices"
	"strings"
	"testing"
)

// unit is a unit file: the values of each key, by section.
func unit(t *testing.T, path string) map[string][]string {
	t.Helper()
	values := map[string][]string{}
	section := ""
	for line := range strings.Lines(read(t, path)) {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case !ok:
			t.Errorf("%s: %q", path, line)
		default:
			values[section+"."+key] = append(values[section+"."+key], value)
		}
	}
	return values
}

func TestUnits(t *testing.T) {
	t.Parallel()
	serve, worker := unit(t, "systemd/hansard.service"), unit(t, "systemd/hansard-worker@.service")
	for path, u := range map[string]map[string][]string{"hansard.service": serve, "hansard-worker@.service": worker} {
		for key, want := range map[string]string{
			"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
			"MemoryDenyWriteExecute": "yes", "CapabilityBoundingSet": "", "StateDirectory": "hansard", "StateDirectoryMode": "0700",
			"User": "hansard", "SystemCallArchitectures": "native",
			// Where ProtectSystem leaves something open.
			"ReadOnlyPaths": "/run", "InaccessiblePaths": "-/dev/shm -/dev/mqueue",
		} {
			if got := u["Service."+key]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %s is %q, want %q", path, key, got, want)
			}
		}
		if len(u["Service.ExecStart"]) != 1 {
			t.Fatalf("%s: ExecStart is %q", path, u["Service.ExecStart"])
		}
		args := strings.Fields(u["Service.ExecStart"][0])
		if args[0] != "/usr/bin/hansard" {
			t.Errorf("%s starts %s", path, args[0])
		}
		var env []string
		for _, e := range u["Service.Environment"] {
			if !strings.HasPrefix(e, "HANSARD_CONFIG=") {
				env = append(env, e)
			}
		}
		accepted(t, path, args[1:], env)
	}
	for path, u := range map[string]map[string][]string{"hansard.service": serve, "hansard-worker@.service": worker} {
		// A database that is away for long must not leave them down for good.
		if !slices.Equal(u["Service.Restart"], []string{"always"}) || !slices.Equal(u["Unit.StartLimitIntervalSec"], []string{"0"}) {
			t.Errorf("%s gives up: Restart is %q, StartLimitIntervalSec %q", path, u["Service.Restart"], u["Unit.StartLimitIntervalSec"])
		}
	}
	// Both read the example: with "workers: 0" in it no worker would start.
	for line := range strings.Lines(read(t, "systemd/hansard.yaml.example")) {
		if strings.HasPrefix(strings.TrimLeft(line, "# "), "workers:") {
			t.Errorf("hansard.yaml.example is read by workers too: %q", line)
		}
	}
	// They differ in what they run, and in nothing that protects.
	for key, value := range serve {
		if strings.HasPrefix(key, "Service.") && key != "Service.ExecStart" && !slices.Equal(value, worker[key]) {
			t.Errorf("%s is %q for the server and %q for a worker", key, value, worker[key])
		}
	}
}
