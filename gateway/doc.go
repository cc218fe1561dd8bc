// Package gateway is the Kubernetes API server in front of a Swarm.
//
// A request comes in at the gin engine (front.go: request id, log, limits, our own pages), goes through
// Kubernetes' own handler chain (authentication and authorization in auth.go, admission in admission.go) to
// the registry that resources.go has for it, and on to a swarm.Store (storage.go). resources.go is the one
// table of what is served; discovery, docs/support.md and the tests' list of kinds derive from it.
//
// Answers are written by Kubernetes' codecs, lists and Tables of many objects from what was encoded for the last
// such list (encode_list.go, encode_table.go), which encodings.go keeps for a while. Watches are the watch cache's,
// each with a backlog for when it is late (backlog.go).
package gateway
