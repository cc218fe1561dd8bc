// Package engine is the Docker Engine's REST API over a simulated Swarm: what a client finds when it dials the socket of
// a manager.
//
// Requests come in through the Engine's own HTTP server, version negotiation and routers for the swarm and system
// parts; what those ask of a daemon is answered here, out of SwarmKit's control API and store:
//
//   - engine.go: the server, its routes, and the answer to what is not simulated;
//   - rpc.go, find.go, filters.go: calls of the control API, objects by ID, name or prefix, and lists;
//   - swarm.go, nodes.go, services.go, tasks.go, configs.go, secrets.go: the swarm router's backend, a file per noun;
//   - networks.go, hostnets.go: the Swarm's networks, and those that every Engine has of its own;
//   - events.go: the store's changes as Docker events; logs.go: the lines of simulated containers;
//   - system.go, container.go, containers.go, images.go, volumes.go: the node itself, as far as clients look at it.
//
// Statuses and messages are those of dockerd 28.5, unless a comment says otherwise. A method of the control API fails
// with a gRPC status as it does for dockerd, and the Engine's server makes the HTTP status of it.
package engine
