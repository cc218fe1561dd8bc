// Package sandbox is the life of one Pod on a Docker Engine: what a kubelet does for it. It runs in a container of its own,
// a Swarm task, whose network namespace the Pod's containers share, and starts these as its siblings.
//
// A [Sandbox] is one loop (loop.go). All that happens is a function in its queue: an event of Docker, a probe's result, a
// container that has been started. After each of them, sync (sync.go) compares what is with what the Pod wants and sets
// things going: a start (start.go, image.go, hooks.go), a kill (stop.go), a probe (probe.go). These run beside the loop, and
// what comes of them goes back into its queue; nobody but the loop touches the state of a container (unit.go). When the
// queue is empty, the Pod's status (status.go, phase.go, conditions.go) is told if it has changed (report.go).
//
// What the sandbox asks of Docker is the interface [Engine], which docker.go implements; what a container is to Docker says
// package spec, behind the interface [Maker]. Facts (facts.go) are read once at the start. Reap (reap.go) takes away what
// sandboxes left that are no more.
package sandbox
