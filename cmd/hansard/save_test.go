package main

import (
	"os"
	"slices"
	"testing"
)

// stored is a data folder with the sample chat.
func stored(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	ok(t, "import", sampleFile, "--data", data)
	return data
}

// users exports a user of the sample chat.
func users(data string, args ...string) []string {
	return slices.Concat([]string{"export", "users", "noor", "--local", "--data", data}, args)
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
