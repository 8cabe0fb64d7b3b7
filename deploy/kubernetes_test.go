package deploy_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// manifests are the objects that a kustomization names.
func manifests(t *testing.T, dir string) []map[string]any {
	t.Helper()
	k := documents(t, dir+"/kustomization.yaml")[0]
	resources := texts(k["resources"])
	var list []map[string]any
	for _, name := range resources {
		if strings.HasPrefix(name, "../") {
			continue
		}
		list = append(list, documents(t, dir+"/"+name)...)
	}
	err := filepath.WalkDir(filepath.FromSlash(dir), func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err == nil && filepath.Ext(name) == ".yaml" && name != "kustomization.yaml" &&
			!strings.HasPrefix(name, "secret.") && !slices.Contains(resources, name) {
			t.Errorf("%s is in no kustomization", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	const dir = "kubernetes/base"
	var env []string
	for line := range strings.Lines(read(t, dir+"/settings.env")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			// What has to be changed is in capitals, which no bucket is.
			env = append(env, strings.ReplaceAll(line, "BUCKET", "bucket"))
		}
	}
	pods := map[string]map[string]any{} // labels of pods by component
	var selectors []any
	for _, m := range manifests(t, dir) {
		kind, _ := m["kind"].(string)
		name, _ := at(m, "metadata", "name").(string)
		where := kind + " " + name
		switch kind {
		case "Deployment", "Job":
			labels, _ := at(m, "spec", "template", "metadata", "labels").(map[string]any)
			component, _ := labels["app.kubernetes.io/component"].(string)
			pods[component] = labels
			if kind == "Deployment" {
				selectors = append(selectors, at(m, "spec", "selector", "matchLabels"))
			}
			checkPod(t, where, kind == "Deployment", at(m, "spec", "template", "spec"), env)
		case "PodDisruptionBudget":
			selectors = append(selectors, at(m, "spec", "selector", "matchLabels"))
		case "Service":
			selectors = append(selectors, at(m, "spec", "selector"))
		}
		if at(m, "metadata", "namespace") != nil {
			t.Errorf("%s names a namespace: that is for the kustomization", where)
		}
	}
	if len(pods) != 3 || len(selectors) != 5 {
		t.Errorf("%d kinds of pods, %d selectors", len(pods), len(selectors))
	}
	for _, s := range selectors {
		want, _ := s.(map[string]any)
		component, _ := want["app.kubernetes.io/component"].(string)
		for key, value := range want {
			if pods[component][key] != value {
				t.Errorf("no pod has %s=%v of %q", key, value, component)
			}
		}
		if component == "" {
			t.Errorf("the selector %v takes more than one kind of pod", s)
		}
	}

	// The secret has what cannot be in the settings, and no values.
	secret := documents(t, dir+"/secret.example.yaml")[0]
	values, _ := secret["stringData"].(map[string]any)
	for key, v := range values {
		if v != "" {
			t.Errorf("the example of a secret has a %s", key)
		}
	}
	if at(secret, "metadata", "name") != "hansard-secrets" || len(values) == 0 {
		t.Errorf("the secret is %v", at(secret, "metadata", "name"))
	}
}

// checkPod checks what every pod must have.
func checkPod(t *testing.T, where string, runs bool, spec any, env []string) {
	t.Helper()
	for path, want := range map[string]any{
		"automountServiceAccountToken":        false,
		"enableServiceLinks":                  false, // their variables would be no settings
		"securityContext.runAsNonRoot":        true,
		"securityContext.runAsUser":           65532,
		"securityContext.seccompProfile.type": "RuntimeDefault",
	} {
		if got := at(spec, strings.Split(path, ".")...); got != want {
			t.Errorf("%s: %s is %v, want %v", where, path, got, want)
		}
	}
	c := at(spec, "containers") // one, see at
	for path, want := range map[string]any{
		"image": "hansard",
		"securityContext.allowPrivilegeEscalation": false,
		"securityContext.readOnlyRootFilesystem":   true,
		"volumeMounts.mountPath":                   "/data",
	} {
		if got := at(c, strings.Split(path, ".")...); got != want {
			t.Errorf("%s: %s is %v, want %v", where, path, got, want)
		}
	}
	if !slices.Equal(texts(at(c, "securityContext", "capabilities", "drop")), []string{"ALL"}) ||
		at(c, "resources", "limits", "memory") == nil || at(spec, "volumes", "emptyDir", "sizeLimit") == nil {
		t.Errorf("%s: capabilities or limits are missing", where)
	}
	accepted(t, where, texts(at(c, "args")), env)
	if !runs {
		return
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		path := at(c, probe, "httpGet", "path")
		if want := map[bool]string{true: "/readyz", false: "/healthz"}[probe == "readinessProbe"]; path != want {
			t.Errorf("%s: %s asks %v", where, probe, path)
		}
	}
	grace, _ := at(spec, "terminationGracePeriodSeconds").(int)
	before, _ := at(c, "lifecycle", "preStop", "sleep", "seconds").(int)
	if grace < before+15 { // it ends within ten seconds
		t.Errorf("%s: %d s are too short for %d s and the end of the process", where, grace, before)
	}
}

func TestKEDA(t *testing.T) {
	t.Parallel()
	list := manifests(t, "kubernetes/keda")
	if len(list) != 2 || at(list[0], "spec", "scaleTargetRef", "name") != "hansard-worker" ||
		at(list[0], "spec", "triggers", "authenticationRef", "name") != at(list[1], "metadata", "name") {
		t.Errorf("%v", list)
	}
	// The query must fit the tables.
	query, _ := at(list[0], "spec", "triggers", "metadata", "query").(string)
	schema := read(t, "../internal/store/postgres/schema/0002_tasks.sql")
	for _, m := range regexp.MustCompile(`'[a-z]+'`).FindAllString(query, -1) {
		if !strings.Contains(schema, m) {
			t.Errorf("there is no status %s", m)
		}
	}
	if !strings.Contains(query, "FROM tasks WHERE status IN") || !strings.Contains(schema, "CREATE TABLE tasks") {
		t.Errorf("the query is %q", query)
	}
}
