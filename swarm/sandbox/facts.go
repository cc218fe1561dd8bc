package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

// Load reads what the sandbox's task was given and finds its container on the Engine. The Pod in the facts is whole.
func Load(ctx context.Context, c *client.Client) (spec.Facts, spec.Sources, error) {
	var f spec.Facts
	sources, err := readSources()
	if err != nil {
		return f, sources, err
	}
	pod, err := readPod()
	if err != nil {
		return f, sources, err
	}
	type answer struct {
		info system.Info
		err  error
	}
	node := make(chan answer, 1)
	go func() {
		info, err := c.Info(ctx)
		node <- answer{info, err}
	}()
	self, err := findSelf(ctx, c, os.Getenv(manifest.EnvTask))
	if err != nil {
		return f, sources, err
	}
	n := <-node
	if n.err != nil {
		return f, sources, fmt.Errorf("the engine does not say what node this is: %w", n.err)
	}
	address(pod, self, n.info.Swarm.NodeAddr)
	f = spec.Facts{Pod: pod, Sandbox: self.ID, Host: map[string]string{}, Node: corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(int64(n.info.NCPU), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(n.info.MemTotal, resource.BinarySI),
	}}
	for _, m := range self.Mounts {
		if m.Source != "" {
			f.Host[m.Destination] = m.Source
		}
	}
	return f, sources, nil
}

func readPod() (*corev1.Pod, error) {
	var pod corev1.Pod
	if err := readJSON(manifest.PodFile, &pod); err != nil {
		return nil, err
	}
	if pod.Name = os.Getenv(manifest.EnvPod); pod.Name == "" {
		return nil, fmt.Errorf("%s is not set: the sandbox runs only as skep's service", manifest.EnvPod)
	}
	if pod.UID == "" {
		pod.UID = manifest.UID(os.Getenv(manifest.EnvTask))
	}
	if _, numbered := pod.Labels[manifest.LabelOrdinalName]; numbered {
		pod.Labels[manifest.LabelOrdinalName] = pod.Name
		pod.Labels[manifest.LabelOrdinal] = pod.Name[strings.LastIndex(pod.Name, "-")+1:]
	}
	if _, indexed := pod.Labels[manifest.LabelIndex]; indexed { // <Job>-<index>-<5 characters>
		words := strings.Split(pod.Name, "-")
		index := words[max(0, len(words)-2)]
		pod.Labels[manifest.LabelIndex], pod.Annotations[manifest.LabelIndex] = index, index
	}
	pod.Spec.NodeName = os.Getenv(manifest.EnvNode)
	return &pod, nil
}

func readSources() (spec.Sources, error) {
	s := spec.Sources{Tokens: map[string]manifest.Token{}}
	var err error
	if s.ConfigMaps, err = readAll[corev1.ConfigMap](manifest.ConfigMapDir); err != nil {
		return s, err
	}
	if s.Secrets, err = readAll[corev1.Secret](manifest.SecretDir); err != nil {
		return s, err
	}
	return s, addNative(&s)
}

// addNative adds Docker's own configs and secrets, which stay as they are: each is a key of a ConfigMap or Secret.
func addNative(s *spec.Sources) error {
	configs, err := readKeys(manifest.ConfigMapDir)
	if err != nil {
		return err
	}
	for name, data := range configs {
		if s.ConfigMaps[name] == nil {
			s.ConfigMaps = with(s.ConfigMaps, name, &corev1.ConfigMap{BinaryData: data})
		}
	}
	secrets, err := readKeys(manifest.SecretDir)
	if err != nil {
		return err
	}
	for name, data := range secrets {
		if s.Secrets[name] == nil {
			s.Secrets = with(s.Secrets, name, &corev1.Secret{Data: data})
		}
	}
	return nil
}

func with[T any](all map[string]*T, name string, one *T) map[string]*T {
	if all == nil {
		all = map[string]*T{}
	}
	all[name] = one
	return all
}

// readKeys reads the directories in a directory, by their names: a file is a key.
func readKeys(dir string) (map[string]map[string][]byte, error) {
	all := map[string]map[string][]byte{}
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(filepath.Dir(path))
		if all[name] == nil {
			all[name] = map[string][]byte{}
		}
		all[name][filepath.Base(path)] = data
	}
	return all, nil
}

// readAll reads the objects in a directory, which need not be there, by the names of their files.
func readAll[T any](dir string) (map[string]*T, error) {
	all := map[string]*T{}
	files, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, file := range files {
		name, isJSON := strings.CutSuffix(file.Name(), ".json")
		if !isJSON {
			continue
		}
		all[name] = new(T)
		if err := readJSON(filepath.Join(dir, file.Name()), all[name]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readJSON does not quote the file in its error: it may be a secret.
func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if json.Unmarshal(data, into) != nil {
		return fmt.Errorf("%s is not the JSON that skep writes: is the sandbox's image of another release?", path)
	}
	return nil
}

// findSelf finds the task's container and waits until the Engine knows that it runs: only then others can join it.
func findSelf(ctx context.Context, c *client.Client, task string) (container.InspectResponse, error) {
	var self container.InspectResponse
	if task == "" {
		return self, fmt.Errorf("%s is not set: the sandbox runs only as skep's service", manifest.EnvTask)
	}
	list, err := c.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", manifest.LabelTask+"="+task)),
	})
	if err != nil {
		return self, fmt.Errorf("the engine at %s does not answer: %w", manifest.EngineSocket, err)
	}
	if len(list) != 1 {
		return self, fmt.Errorf("the engine has %d containers of task %s, not one: is %s this node's engine?",
			len(list), task, manifest.EngineSocket)
	}
	for ctx.Err() == nil {
		if self, err = c.ContainerInspect(ctx, list[0].ID); err != nil {
			return self, fmt.Errorf("the sandbox's own container: %w", err)
		}
		if self.State != nil && self.State.Running {
			return self, nil
		}
		sleep(ctx, 5*time.Millisecond)
	}
	return self, errors.New("stopped before the engine knew that the sandbox runs")
}

// address gives the Pod its own addresses and the node's.
func address(pod *corev1.Pod, self container.InspectResponse, node string) {
	if node != "" {
		pod.Status.HostIP, pod.Status.HostIPs = node, []corev1.HostIP{{IP: node}}
	}
	var ips []string
	if self.HostConfig != nil && self.HostConfig.NetworkMode.IsHost() {
		ips = []string{node}
	} else if self.NetworkSettings != nil {
		wanted := os.Getenv(manifest.EnvNetwork)
		names := slices.Sorted(maps.Keys(self.NetworkSettings.Networks))
		slices.SortStableFunc(names, func(a, b string) int { return rank(a, wanted) - rank(b, wanted) })
		for _, name := range names {
			n := self.NetworkSettings.Networks[name]
			if n == nil || n.IPAddress == "" && n.GlobalIPv6Address == "" {
				continue
			}
			ips = []string{n.IPAddress, n.GlobalIPv6Address}
			break
		}
	}
	for _, ip := range ips {
		if ip != "" {
			pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: ip})
		}
	}
	if len(pod.Status.PodIPs) > 0 {
		pod.Status.PodIP = pod.Status.PodIPs[0].IP
	}
}

// rank orders networks by which of them has the Pod's address: the one that is wanted, any other, the routing mesh.
func rank(name, wanted string) int {
	switch name {
	case wanted:
		return 0
	case "ingress":
		return 2
	default:
		return 1
	}
}
