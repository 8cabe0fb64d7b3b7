package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: deploycheck FOLDER [FILE.yaml…]")
		os.Exit(2)
	}
	if err := check(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("deploy: all well")
}

func check(ctx context.Context, dir string, more []string) error {
	errs := []error{
		dockerfile(filepath.Join(dir, "docker", "Dockerfile")),
		compose(ctx, filepath.Join(dir, "compose", "compose.yaml")),
	}
	files, err := filepath.Glob(filepath.Join(dir, "kubernetes", "base", "*.yaml"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, errors.New("no manifests"))
	}
	for _, path := range slices.Concat(files, more) {
		if filepath.Base(path) != "kustomization.yaml" {
			errs = append(errs, manifests(path))
		}
	}
	return errors.Join(errs...)
}

// dockerfile parses, and tells what the linter says meanwhile.
func dockerfile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var found []error
	for _, w := range parsed.Warnings {
		found = append(found, fmt.Errorf("%s: %s", path, w.Short))
	}
	lint := linter.New(&linter.Config{
		Warn: func(rule, _, _, message string, at []parser.Range) {
			line := 0
			if len(at) > 0 {
				line = at[0].Start.Line
			}
			found = append(found, fmt.Errorf("%s:%d: %s: %s", path, line, rule, message))
		},
	})
	stages, _, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(stages) == 0 {
		found = append(found, fmt.Errorf("%s: no stage", path))
	}
	return errors.Join(found...)
}

// compose loads the project with each required variable missing in turn, which
// must be refused, and then with all of them.
func compose(ctx context.Context, path string) error {
	required := []string{"POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "HANSARD_API_KEY", "HANSARD_API_SECRET"}
	load := func(without string) error {
		var env []string
		for _, name := range required {
			if name != without {
				env = append(env, name+"=given")
			}
		}
		options, err := cli.NewProjectOptions([]string{path}, cli.WithEnv(env), cli.WithResolvedPaths(true))
		if err != nil {
			return err
		}
		project, err := options.LoadProject(ctx)
		if err == nil && len(project.Services) == 0 {
			err = errors.New("no services")
		}
		return err
	}
	for _, name := range required {
		if err := load(name); err == nil || !strings.Contains(err.Error(), name) {
			return fmt.Errorf("%s: without %s: %w", path, name, errors.Join(err, errors.New("was not refused for it")))
		}
	}
	if err := load(""); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// manifests decodes each document of a file, strictly, as what it says it is.
func manifests(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var errs []error
	for i, doc := range strings.Split(string(text), "\n---\n") {
		if err := manifest([]byte(doc)); err != nil {
			errs = append(errs, fmt.Errorf("%s, document %d: %w", path, i+1, err))
		}
	}
	return errors.Join(errs...)
}

func manifest(doc []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	kinds := map[string]any{
		"v1 Namespace": &corev1.Namespace{}, "v1 ServiceAccount": &corev1.ServiceAccount{}, "v1 Secret": &corev1.Secret{},
		"v1 Service": &corev1.Service{}, "v1 ConfigMap": &corev1.ConfigMap{},
		"apps/v1 Deployment": &appsv1.Deployment{}, "batch/v1 Job": &batchv1.Job{},
		"policy/v1 PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "networking.k8s.io/v1 NetworkPolicy": &networkingv1.NetworkPolicy{},
	}
	into, ok := kinds[head.APIVersion+" "+head.Kind]
	if !ok {
		return fmt.Errorf("unknown kind %s %s", head.APIVersion, head.Kind)
	}
	text, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	// As the API server does it: names are told apart by case.
	unknown, err := json.UnmarshalStrict(text, into)
	return errors.Join(append(unknown, err)...)
}
