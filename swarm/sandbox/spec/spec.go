// Package spec says what a container of a sandboxed Pod is to Docker, as a kubelet and its runtime would have it, and keeps
// the Pod's volumes.
//
// The sandbox makes a Pod of Facts and Sources with New, fills its volumes with Setup before the first container starts, and
// asks Container for the config of each one. What changes of a running Pod comes in through Update.
//
//   - env.go, field.go: environment and the downward API
//   - volumes.go, payload.go, atomic.go, owner.go, hostpath.go: what is in the Pod's volumes
//   - mounts.go, subpath.go: where a container sees them
//   - container.go, security.go, resources.go: the rest of its config
//   - message.go: terminationMessagePath
//   - auth.go: imagePullSecrets
package spec

import (
	"maps"
	"path/filepath"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// Facts are what the sandbox knows of its Pod and its node.
type Facts struct {
	// Pod is whole: name, namespace, UID, labels, spec with nodeName, and of the status podIP(s) and hostIP(s).
	Pod *corev1.Pod
	// Sandbox is the ID of the sandbox's own container, whose network namespace the others join.
	Sandbox string
	// ShareIPC tells that the sandbox's IPC namespace can be joined (its HostConfig.IpcMode is "shareable"). Without it
	// each container has its own, which is Docker's default; a Swarm service cannot ask for another.
	ShareIPC bool
	// Node is the node's allocatable cpu and memory: what limits are to the downward API where there are none.
	Node corev1.ResourceList
	// Host is where the directories in the sandbox's container are on the node: destination -> source of its mounts.
	Host map[string]string
	// Root goes before all paths below /pod: a test's directory, "" otherwise.
	Root string
}

// Sources are the objects that a Pod refers to, by name, and its tokens by manifest.TokenKey. One that is missing does not
// exist.
type Sources struct {
	ConfigMaps map[string]*corev1.ConfigMap
	Secrets    map[string]*corev1.Secret
	Tokens     map[string]manifest.Token
}

// ImageConfig is an image's configuration (docker image inspect, Config). Container reads the User; the rest is the engine's
// to merge, and the container's variables cannot refer to those of Env.
type ImageConfig struct {
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	StopSignal string
}

// ConfigError is why there is no container to be made of a spec; the kubelet's reason is CreateContainerConfigError, and
// Message is its message.
type ConfigError struct{ Message string }

func (e *ConfigError) Error() string { return e.Message }

// Pod makes the containers and keeps the volumes of one Pod. It is safe for concurrent use.
type Pod struct {
	facts Facts

	mu      sync.Mutex // for all below, and for writing volumes
	pod     *corev1.Pod
	sources Sources
	filled  map[string]bool // volumes that Setup is done with
	pins    map[pin]string  // subPath mounts of projected volumes -> version (directory of the volume) that they show
}

// New makes a Pod. It keeps neither the Pod of the facts nor the maps of the sources, but the objects in them, which must
// not change afterwards.
func New(f Facts, s Sources) *Pod {
	f.Host = maps.Clone(f.Host)
	return &Pod{
		facts:   f,
		pod:     f.Pod.DeepCopy(),
		sources: clone(s, nil),
		filled:  map[string]bool{},
		pins:    map[pin]string{},
	}
}

// clone copies the maps, and the tokens over those of before: a token is renewed, never taken away.
func clone(s Sources, before map[string]manifest.Token) Sources {
	tokens := map[string]manifest.Token{}
	maps.Copy(tokens, before)
	maps.Copy(tokens, s.Tokens)
	return Sources{ConfigMaps: maps.Clone(s.ConfigMaps), Secrets: maps.Clone(s.Secrets), Tokens: tokens}
}

// path is where the sandbox sees what its container has at elem.
func (p *Pod) path(elem ...string) string {
	return filepath.Join(append([]string{p.facts.Root, "/"}, elem...)...)
}

// volume finds a volume of the Pod by its name; nil: there is none.
func (p *Pod) volume(name string) *corev1.Volume {
	for i := range p.pod.Spec.Volumes {
		if p.pod.Spec.Volumes[i].Name == name {
			return &p.pod.Spec.Volumes[i]
		}
	}
	return nil
}

// containers are all of the Pod's: init containers, containers, ephemeral ones.
func containers(pod *corev1.Pod) []*corev1.Container {
	var all []*corev1.Container
	for i := range pod.Spec.InitContainers {
		all = append(all, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		all = append(all, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		all = append(all, &c)
	}
	return all
}

// deref is what an optional field says, or else.
func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
