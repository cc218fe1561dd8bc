// Package compose turns Compose and stack files, and stacks that run, into Kubernetes objects, and those into stack files.
//
// All ways go through a Stack: what a Swarm holds of a stack (the specs of its services, word for word as docker stack
// deploy creates them), and beside each service what only a Compose file can say of it.
//
//	files      --Load-->    Stack    load*.go reads, deploy*.go makes the Swarm's specs
//	a Swarm    --Export-->  Stack    export*.go
//	manifests  --Read-->    Stack    read.go, through the lenses' Put
//	Stack      --Convert--> Result   convert.go; the Pods are the lenses' Get of the specs, and what Compose says beyond them
//	Result     --Write-->   manifests, a kustomize base, a chart (write*.go)
//	Stack      --File-->    a stack file (file*.go)
//
// What becomes of each key of a Compose file is data: fates*.go, from which docs/compose.md and the Findings are made.
package compose
