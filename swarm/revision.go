package swarm

import (
	"hash/fnv"

	"skep/translate"
)

// A resourceVersion is Swarm's raft index and six more digits: 319004211 came about by the change 319. One
// transaction of Swarm can change many objects, up to 200 tasks or, by way of their service, any number of Pods, and
// Kubernetes knows no two changes of a resource by one resourceVersion: a watch that is cut off between them and
// resumes behind the first would never hear of the second. Which digits an object has is told by its name, so that
// all gateways give the same ones, whatever each of them has seen.
const (
	perIndex = 1_000_000
	// perIndexDrawn are the digits that names draw from. Behind them is room for those that drew the same, and then for
	// perIndexQuiet changes that Swarm knows nothing of: what sandboxes say of their Pods. Which of those comes first differs
	// from gateway to gateway; with the next change of Swarm all agree again.
	perIndexDrawn = perIndex - 20_000
	perIndexQuiet = 10_000
)

// revisionOf is the resourceVersion that an index gives an object. The one below it is free as well.
func revisionOf(index uint64, key translate.Key) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key.Namespace + "/" + key.Name))
	return index*perIndex + 1 + h.Sum64()%perIndexDrawn
}

// beginning is the index of a Swarm in which nothing has happened. Its resourceVersion is the first that there is, as
// in etcd.
const beginning = 1

// lastRevision is above all resourceVersions that Swarm's changes give an index, and below those of the next one.
func lastRevision(index uint64) uint64 {
	if index == beginning {
		return 1
	}
	return (index+1)*perIndex - 1 - perIndexQuiet
}
