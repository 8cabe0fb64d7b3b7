// Command deploycheck reads the files in deploy/ the way those do who use them: the
// Dockerfile with BuildKit's own parser and those rules of its linter that need
// no build, compose.yaml with the loader of docker compose and its schema, the
// manifests with the types of the Kubernetes API, in which an unknown or
// misspelt field is an error.
//
//	kubectl kustomize deploy/kubernetes/base >base.yaml      # if there is a kubectl
//	go run -C tools/deploycheck . ../../deploy [FILE.yaml…]
//
// It is a module of its own, so that nothing else has to carry what it needs.
package main
