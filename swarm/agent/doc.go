// Package agent is the kubelet's API on one node of the Swarm, over the node's Docker Engine: exec, attach, port-forward,
// logs, statistics, ephemeral containers and volumes. Where the kubelet's paths have a container's name, these have the ID
// of a Docker container: which container belongs to which Pod is the gateway's to know.
//
// A request comes in by [Serve], which speaks mutual TLS, or, on the gateway's own node, by an HTTP server on [Pipe]; both
// lead to [Agent.Handler]. What streams (exec.go, attach.go, portforward.go) goes through Kubernetes' own server side
// (k8s.io/cri-streaming); hangup.go notices when the client is gone, which that code does not tell. What Docker has no API
// for is done by short-lived containers of skep's own image (helper.go): reaching a port of a container's loopback, and
// ending the processes that an exec left behind. Their program is package helper.
//
// [Agent.Run] is the node's reaper (run.go): it takes away what sandboxes and agents left that are no more.
package agent
