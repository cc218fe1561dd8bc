// Package bench measures skep side by side with kube-apiserver and etcd: one run, one machine, one client.
//
//	make bench        or:  go -C gateway/bench test -bench . -run '^$' -timeout 30m
//	BENCH_OUT=FILE    write the Markdown table there instead of to standard output
//	SKEP_BIN=FILE     the skep to measure (default: bin/skep at the top of the tree)
//	BENCH_ONLY=peer   measure kube-apiserver alone, where there is no skep yet
//	BENCH_STRICT=1    fail when a figure misses what docs/performance.md promises
//
// What runs, all of it on loopback and in one temporary directory, all of it ended when the run ends:
//
//   - the peer (peer.go): etcd/main.go and k8s.io/kubernetes/cmd/kube-apiserver, built from this module,
//     which is nested because etcd's server and skep's SwarmKit want different versions of raft;
//   - an engine (engine.go): a Docker Engine of its own with a new Swarm of one manager;
//   - the gateway (gateway.go): skep serve over that engine.
//
// client.go sends and times every request to every one of them; watch.go reads the watches; samples.go has the
// quantiles, usage.go the memory and processor time of a process, report.go the table. bench_test.go says what is
// measured. Requests to the things compared take turns, so what else the machine does meets all of them alike.
package bench
