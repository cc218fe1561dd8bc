package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"skep/translate/manifest"
)

const (
	// statsFresh is how long an answer is given again: asking often costs nothing.
	statsFresh = 5 * time.Second
	// statsBase is how old the sample may be that a rate is taken from. Without one, two are taken statsWindow apart.
	statsBase   = time.Minute
	statsWindow = time.Second
	// statsAtOnce is how many containers the Engine is asked about at a time.
	statsAtOnce = 8
)

// Stats is what a node and its containers use.
type Stats struct {
	Node       NodeUsage        `json:"node"`
	Containers []ContainerUsage `json:"containers"`
}

// Usage is measured over the window that ends at the timestamp.
type Usage struct {
	Timestamp time.Time     `json:"timestamp"`
	Window    time.Duration `json:"window"` // in nanoseconds
	// CPU is in nanocores: 10^9 are one core that is always busy.
	CPU uint64 `json:"cpuNanoCores"`
	// Memory is the working set in bytes, as cAdvisor has it: what is in use without the files that can be given up.
	Memory uint64 `json:"memoryWorkingSetBytes"`
}

// NodeUsage is the node's, with what there is of it: cores and bytes.
type NodeUsage struct {
	Usage
	Cores         int    `json:"cores"`
	CapacityBytes uint64 `json:"memoryCapacityBytes"`
}

// ContainerUsage is one running container's. The names are those that a sandbox gave it, the task Swarm's.
type ContainerUsage struct {
	Usage
	ID        string `json:"id"`
	Task      string `json:"task,omitempty"`
	Sandbox   string `json:"sandbox,omitempty"`
	Role      string `json:"role,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
}

// sample is what was used by one moment: CPU in nanoseconds since the beginning, and the working set in bytes.
type sample struct {
	at          time.Time
	cpu, memory uint64
}

// meter measures on demand, and keeps the last samples to take rates from.
type meter struct {
	docker Docker

	mu     sync.Mutex
	last   map[string]sample // by container; the node under ""
	answer *Stats
	made   time.Time
}

func (a *Agent) serveStats(w http.ResponseWriter, r *http.Request) {
	s, err := a.meter.measure(r.Context())
	if err != nil {
		fail(w, fmt.Errorf("node %s: %w", a.options.Node, err))
		return
	}
	answer(w, s)
}

// measure is at most statsFresh old.
func (m *meter) measure(ctx context.Context) (*Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answer != nil && time.Since(m.made) < statsFresh {
		return m.answer, nil
	}
	list, err := m.docker.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("status", "running"))})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	now, err := m.sample(ctx, list)
	if err != nil {
		return nil, err
	}
	base, whole := m.bases(now)
	if !whole {
		select {
		case <-time.After(statsWindow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if now, err = m.sample(ctx, list); err != nil {
			return nil, err
		}
	}
	s, err := m.stats(ctx, list, base, now)
	if err != nil {
		return nil, err
	}
	m.last, m.answer, m.made = now, s, time.Now()
	return s, nil
}

// bases are the samples to take rates from: earlier ones where there are any, else those of now, which is not the whole.
func (m *meter) bases(now map[string]sample) (base map[string]sample, whole bool) {
	base, whole = map[string]sample{}, true
	for id, s := range now {
		old, ok := m.last[id]
		if !ok || s.at.Sub(old.at) > statsBase || s.at.Sub(old.at) < statsWindow || s.cpu < old.cpu {
			old, whole = s, false
		}
		base[id] = old
	}
	return base, whole
}

// sample looks at all containers, and at the node. A container that has just ended is not in it.
func (m *meter) sample(ctx context.Context, list []container.Summary) (map[string]sample, error) {
	samples := make([]sample, len(list))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statsAtOnce)
	for i := range list {
		group.Go(func() (err error) {
			samples[i], err = m.sampleContainer(ctx, list[i].ID)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := map[string]sample{}
	for i, s := range samples {
		if !s.at.IsZero() {
			out[list[i].ID] = s
		}
	}
	if node, err := sampleNode("/proc"); err == nil {
		out[""] = node
	}
	return out, nil
}

func (m *meter) sampleContainer(ctx context.Context, id string) (sample, error) {
	response, err := m.docker.ContainerStatsOneShot(ctx, id)
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return sample{}, nil
	}
	if err != nil {
		return sample{}, fmt.Errorf("statistics of container %s: %w", short(id), err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	var s container.StatsResponse
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return sample{}, ctx.Err()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return sample{}, nil // it ended just now
		}
		return sample{}, fmt.Errorf("statistics of container %s: %w", short(id), err)
	}
	if s.MemoryStats.Usage == 0 && s.CPUStats.CPUUsage.TotalUsage == 0 {
		return sample{}, nil // it has ended
	}
	return sample{s.Read, s.CPUStats.CPUUsage.TotalUsage, workingSet(s.MemoryStats)}, nil
}

// workingSet is cAdvisor's: the usage without the inactive files, whose name depends on the version of cgroups.
func workingSet(m container.MemoryStats) uint64 {
	inactive, v1 := m.Stats["total_inactive_file"]
	if !v1 {
		inactive = m.Stats["inactive_file"]
	}
	return m.Usage - min(inactive, m.Usage)
}

// stats makes rates of samples.
func (m *meter) stats(ctx context.Context, list []container.Summary, base, now map[string]sample) (*Stats, error) {
	info, err := m.docker.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("capacity: %w", err)
	}
	s := &Stats{Containers: []ContainerUsage{}}
	sum := Usage{Timestamp: time.Now()}
	for i := range list {
		c := &list[i]
		first, begun := base[c.ID]
		last, ok := now[c.ID]
		if !begun || !ok {
			continue
		}
		u := usage(first, last)
		sum.CPU += u.CPU
		sum.Memory += u.Memory
		sum.Window = u.Window
		s.Containers = append(s.Containers, ContainerUsage{
			Usage: u, ID: c.ID, Task: c.Labels[manifest.LabelTask], Sandbox: c.Labels[manifest.LabelSandbox],
			Role: c.Labels[manifest.LabelRole], Namespace: c.Labels[manifest.LabelPodNamespace],
			Pod: c.Labels[manifest.LabelPodName], Container: c.Labels[manifest.LabelContainer],
		})
	}
	s.Node = NodeUsage{Usage: sum, Cores: info.NCPU, CapacityBytes: uint64(max(info.MemTotal, 0))}
	// An Engine on another machine, or a system without /proc: what is known of the node is its containers.
	first, begun := base[""]
	if last, ok := now[""]; begun && ok && memoryOf("/proc") == s.Node.CapacityBytes {
		s.Node.Usage = usage(first, last)
	}
	return s, nil
}

// usage is what was used between two samples.
func usage(from, to sample) Usage {
	u := Usage{Timestamp: to.at, Window: to.at.Sub(from.at), Memory: to.memory}
	if u.Window > 0 && to.cpu > from.cpu {
		u.CPU = uint64(float64(to.cpu-from.cpu) / u.Window.Seconds())
	}
	return u
}
