package swarm

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// What skep relies on, a real Engine and the simulated one must show alike. Each observation does something by Docker's
// client and tells what it saw, without what differs from run to run; the two tales must be the same.

// witness observes one Engine. The same version of the API is spoken to both.
type witness struct {
	*client.Client
	t    *testing.T
	ctx  context.Context
	told []string
}

const contractVersion = "1.41"

func newWitness(t *testing.T, host string) *witness {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithVersion(contractVersion))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &witness{Client: c, t: t, ctx: t.Context()}
}

// changing is what differs from run to run: IDs, times, and the names and addresses of nodes.
var changing = regexp.MustCompile(`\b[0-9a-z]{25}\b|\b[0-9a-f]{64}\b|sha256:[0-9a-f]+`)

func (w *witness) tell(format string, args ...any) {
	w.told = append(w.told, changing.ReplaceAllString(fmt.Sprintf(format, args...), "<id>"))
}

// tellError tells an error as skep sees it: its class, and its text.
func (w *witness) tellError(what string, err error) {
	class := "other"
	for name, is := range map[string]func(error) bool{
		"not found": errdefs.IsNotFound, "conflict": errdefs.IsConflict, "invalid": errdefs.IsInvalidArgument,
		"unavailable": errdefs.IsUnavailable, "not implemented": errdefs.IsNotImplemented,
	} {
		if is(err) {
			class = name
		}
	}
	w.tell("%s: %s: %v", what, class, err)
}

func (w *witness) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// spec is a service of containers that only wait.
func (w *witness) spec(name string, replicas uint64) swarm.ServiceSpec {
	grace, delay := time.Second, 100*time.Millisecond
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name, Labels: map[string]string{"a": "b"}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: "busybox:latest", Command: []string{"sleep", "3600"}, StopGracePeriod: &grace},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay},
		},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1, Monitor: 200 * time.Millisecond},
	}
}

// service creates a service that ends with the test.
func (w *witness) service(spec swarm.ServiceSpec) string {
	w.t.Helper()
	made, err := w.ServiceCreate(w.ctx, spec, swarm.ServiceCreateOptions{})
	w.must(err)
	w.t.Cleanup(func() { _ = w.ServiceRemove(context.Background(), made.ID) })
	return made.ID
}

func (w *witness) inspect(id string) swarm.Service {
	w.t.Helper()
	s, _, err := w.ServiceInspectWithRaw(w.ctx, id, swarm.ServiceInspectOptions{})
	w.must(err)
	return s
}

// update changes a service as it is now.
func (w *witness) update(id string, change func(*swarm.ServiceSpec)) error {
	w.t.Helper()
	for {
		s := w.inspect(id)
		change(&s.Spec)
		_, err := w.ServiceUpdate(w.ctx, id, s.Version, s.Spec, swarm.ServiceUpdateOptions{})
		if !isOutOfSequence(err) { // the Swarm's own parts write it, too
			return err
		}
	}
}

func (w *witness) tasks(service string) []swarm.Task {
	w.t.Helper()
	tasks, err := w.TaskList(w.ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("service", service))})
	w.must(err)
	slices.SortFunc(tasks, func(a, b swarm.Task) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), a.CreatedAt.Compare(b.CreatedAt))
	})
	return tasks
}

// settled waits until a service has that many tasks in each state, and no others; it returns them.
func (w *witness) settled(service string, want map[swarm.TaskState]int) []swarm.Task {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		tasks, have := w.tasks(service), map[swarm.TaskState]int{}
		for _, t := range tasks {
			have[t.Status.State]++
		}
		if maps.Equal(have, want) {
			return tasks
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the tasks are %v, not %v", have, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// shape are the paths of a value's JSON that hold something; items of lists and keys of maps of labels look alike.
func shape(v any) []string {
	data, err := json.Marshal(v)
	if err != nil {
		return []string{err.Error()}
	}
	var decoded any
	if err := json.Unmarshal(data, &decoded); err != nil {
		return []string{err.Error()}
	}
	paths := map[string]bool{}
	walk(decoded, "", paths)
	return slices.Sorted(maps.Keys(paths))
}

func walk(v any, path string, paths map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			walk(e, path+"."+k, paths)
		}
	case []any:
		for _, e := range v {
			walk(e, path+"[]", paths)
		}
	default:
		if v != nil && v != "" && v != false && v != 0.0 {
			paths[path] = true
		}
	}
}

// contract are the observations, by name.
var contract = map[string]func(*witness){
	"what is missing": func(w *witness) {
		_, _, err := w.ServiceInspectWithRaw(w.ctx, "nothing", swarm.ServiceInspectOptions{})
		w.tellError("service", err)
		_, _, err = w.ConfigInspectWithRaw(w.ctx, "nothing")
		w.tellError("config", err)
		_, _, err = w.SecretInspectWithRaw(w.ctx, "nothing")
		w.tellError("secret", err)
		_, _, err = w.NodeInspectWithRaw(w.ctx, "nothing")
		w.tellError("node", err)
		_, _, err = w.TaskInspectWithRaw(w.ctx, "nothing")
		w.tellError("task", err)
		_, err = w.NetworkInspect(w.ctx, "nothing", network.InspectOptions{})
		w.tellError("network", err)
		w.tellError("remove service", w.ServiceRemove(w.ctx, "nothing"))
		w.tellError("remove config", w.ConfigRemove(w.ctx, "nothing"))
		w.tellError("remove secret", w.SecretRemove(w.ctx, "nothing"))
		w.tellError("remove network", w.NetworkRemove(w.ctx, "nothing"))
		w.tellError("remove node", w.NodeRemove(w.ctx, "nothing", swarm.NodeRemoveOptions{}))
	},

	"services with something wrong": func(w *witness) {
		for name, change := range map[string]func(*swarm.ServiceSpec){
			"no name":       func(s *swarm.ServiceSpec) { s.Name = "" },
			"a blank in it": func(s *swarm.ServiceSpec) { s.Name = "a b" },
			"a long name":   func(s *swarm.ServiceSpec) { s.Name = strings.Repeat("x", 64) },
			"no image":      func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "" },
			"missing network": func(s *swarm.ServiceSpec) {
				s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "nowhere"}}
			},
			"missing config": func(s *swarm.ServiceSpec) {
				s.TaskTemplate.ContainerSpec.Configs = []*swarm.ConfigReference{{ConfigID: "x", ConfigName: "x", File: &swarm.ConfigReferenceFileTarget{Name: "/x", UID: "0", GID: "0"}}}
			},
			"missing secret": func(s *swarm.ServiceSpec) {
				s.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{{SecretID: "x", SecretName: "x", File: &swarm.SecretReferenceFileTarget{Name: "x", UID: "0", GID: "0"}}}
			},
			"a mount to nowhere": func(s *swarm.ServiceSpec) {
				s.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: "/x"}}
			},
			"a bad constraint": func(s *swarm.ServiceSpec) {
				s.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.labels.a"}}
			},
			"two ports alike": func(s *swarm.ServiceSpec) {
				port := swarm.PortConfig{TargetPort: 80, PublishedPort: 31111}
				s.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{port, port}}
			},
		} {
			spec := w.spec("contract-refused", 0)
			change(&spec)
			made, err := w.ServiceCreate(w.ctx, spec, swarm.ServiceCreateOptions{})
			w.tellError(name, err)
			if err == nil { // what is wrong shows in the task, or nothing is
				w.must(w.ServiceRemove(w.ctx, made.ID))
			}
		}
		slices.Sort(w.told)
	},

	"names and versions": func(w *witness) {
		spec := w.spec("contract-versions", 0)
		id := w.service(spec)
		_, err := w.ServiceCreate(w.ctx, spec, swarm.ServiceCreateOptions{})
		w.tellError("a name twice", err)
		w.tell("a name conflict is seen: %v", isNameConflict(err))
		before := w.inspect(id)
		w.must(w.update(id, func(s *swarm.ServiceSpec) { s.Labels = map[string]string{"a": "c"} }))
		after := w.inspect(id)
		w.tell("an update raises the version: %v, and keeps the spec before: %v", after.Version.Index > before.Version.Index, after.PreviousSpec != nil)
		_, err = w.ServiceUpdate(w.ctx, id, before.Version, after.Spec, swarm.ServiceUpdateOptions{})
		w.tellError("a stale update", err)
		w.tell("it is seen as one: %v", isOutOfSequence(err))
		w.tellError("a rename", w.update(id, func(s *swarm.ServiceSpec) { s.Name = "contract-renamed" }))
		w.tellError("another mode", w.update(id, func(s *swarm.ServiceSpec) { s.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}} }))
		w.tell("a service has %v", shape(after))
	},

	"configs and secrets": func(w *witness) {
		annotations := swarm.Annotations{Name: "contract-file", Labels: map[string]string{"a": "b"}}
		config, err := w.ConfigCreate(w.ctx, swarm.ConfigSpec{Annotations: annotations, Data: []byte("data")})
		w.must(err)
		secret, err := w.SecretCreate(w.ctx, swarm.SecretSpec{Annotations: annotations, Data: []byte("data")})
		w.must(err)
		_, err = w.ConfigCreate(w.ctx, swarm.ConfigSpec{Annotations: annotations, Data: []byte("data")})
		w.tellError("a config's name twice", err)
		w.tell("a name conflict is seen: %v", isNameConflict(err))
		_, err = w.SecretCreate(w.ctx, swarm.SecretSpec{Annotations: annotations, Data: []byte("data")})
		w.tellError("a secret's name twice", err)
		_, err = w.ConfigCreate(w.ctx, swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "a b"}, Data: []byte("x")})
		w.tellError("a blank in a name", err)
		_, err = w.ConfigCreate(w.ctx, swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "contract-large"}, Data: make([]byte, 1_100_000)})
		w.tellError("too much data", err)
		read, _, err := w.ConfigInspectWithRaw(w.ctx, config.ID)
		w.must(err)
		w.tell("a config has %v, data %q", shape(read), read.Spec.Data)
		hidden, _, err := w.SecretInspectWithRaw(w.ctx, secret.ID)
		w.must(err)
		w.tell("a secret has %v", shape(hidden))
		changed := read.Spec
		changed.Data = []byte("other")
		w.tellError("other data", w.ConfigUpdate(w.ctx, config.ID, read.Version, changed))
		changed.Data, changed.Labels = read.Spec.Data, map[string]string{"a": "c"}
		w.tellError("other labels", w.ConfigUpdate(w.ctx, config.ID, read.Version, changed))
		w.tellError("a stale update", w.ConfigUpdate(w.ctx, config.ID, read.Version, changed))

		spec := w.spec("contract-files", 0)
		spec.TaskTemplate.ContainerSpec.Configs = []*swarm.ConfigReference{{ConfigID: config.ID, ConfigName: annotations.Name, File: &swarm.ConfigReferenceFileTarget{Name: "/x", UID: "0", GID: "0"}}}
		spec.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{{SecretID: secret.ID, SecretName: annotations.Name, File: &swarm.SecretReferenceFileTarget{Name: "x", UID: "0", GID: "0"}}}
		id := w.service(spec)
		w.tellError("a config in use", w.ConfigRemove(w.ctx, config.ID))
		w.tellError("a secret in use", w.SecretRemove(w.ctx, secret.ID))
		w.must(w.ServiceRemove(w.ctx, id))
		w.tellError("no longer", errors.Join(w.ConfigRemove(w.ctx, config.ID), w.SecretRemove(w.ctx, secret.ID)))
	},

	"networks": func(w *witness) {
		options := network.CreateOptions{Driver: "overlay", Scope: "swarm", Attachable: true, Labels: map[string]string{"a": "b"}}
		made, err := w.NetworkCreate(w.ctx, "contract-net", options)
		w.must(err)
		_, err = w.NetworkCreate(w.ctx, "contract-net", options)
		w.tellError("a name twice", err)
		spec := w.spec("contract-networked", 1)
		spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "contract-net", Aliases: []string{"web.shop.svc.cluster.local"}}}
		id := w.service(spec)
		tasks := w.settled(id, map[swarm.TaskState]int{swarm.TaskStateRunning: 1})
		w.tell("a name in a spec is an ID then: %v", w.inspect(id).Spec.TaskTemplate.Networks[0].Target == made.ID)
		w.tell("it has virtual IPs: %d, its task addresses: %d", len(w.inspect(id).Endpoint.VirtualIPs), len(tasks[0].NetworksAttachments[0].Addresses))
		w.tellError("in use", w.NetworkRemove(w.ctx, made.ID))
		w.must(w.ServiceRemove(w.ctx, id))
		w.tellError("no longer", w.eventually(func() error { return w.NetworkRemove(w.ctx, made.ID) }))
		list, err := w.NetworkList(w.ctx, network.ListOptions{})
		w.must(err)
		for _, n := range list {
			if n.Ingress || n.Name == "host" {
				w.tell("there is %s of scope %s, ingress %v", n.Name, n.Scope, n.Ingress)
			}
		}
		slices.Sort(w.told)
	},

	"a service's life": func(w *witness) {
		id := w.service(w.spec("contract-life", 2))
		first := w.settled(id, map[swarm.TaskState]int{swarm.TaskStateRunning: 2})
		w.tell("slots %d and %d", first[0].Slot, first[1].Slot)
		w.must(w.update(id, func(s *swarm.ServiceSpec) { s.Labels = map[string]string{"x": "y"} }))
		time.Sleep(300 * time.Millisecond)
		w.tell("labels restart nothing: %v", slices.EqualFunc(first, w.tasks(id), func(a, b swarm.Task) bool { return a.ID == b.ID }))
		w.must(w.update(id, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"A=B"} }))
		tasks := w.settled(id, map[swarm.TaskState]int{swarm.TaskStateRunning: 2, swarm.TaskStateShutdown: 2})
		for _, t := range tasks {
			w.tell("slot %d: desired %s, is %s, env %v, %q, %q", t.Slot, t.DesiredState, t.Status.State, t.Spec.ContainerSpec.Env, t.Status.Message, t.Status.Err)
		}
		w.eventuallyTell(func() string {
			return fmt.Sprintf("the update is %s: %s", w.inspect(id).UpdateStatus.State, w.inspect(id).UpdateStatus.Message)
		}, "completed")
		one := uint64(1)
		w.must(w.update(id, func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = &one }))
		w.settled(id, map[swarm.TaskState]int{swarm.TaskStateRunning: 1, swarm.TaskStateShutdown: 2}) // what ran in the slot is gone, its history is not
		s := w.inspect(id)
		_, err := w.ServiceUpdate(w.ctx, id, s.Version, s.Spec, swarm.ServiceUpdateOptions{Rollback: "previous"})
		w.tellError("a rollback", err)
		w.settled(id, map[swarm.TaskState]int{swarm.TaskStateRunning: 2, swarm.TaskStateShutdown: 2})
	},

	"a task": func(w *witness) {
		id := w.service(w.spec("contract-task", 1))
		t := w.settled(id, map[swarm.TaskState]int{swarm.TaskStateRunning: 1})[0]
		w.tell("a running task has %v", shape(t))
		missing := w.spec("contract-nowhere", 1)
		missing.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.labels.nowhere==true"}}
		lost := w.settled(w.service(missing), map[swarm.TaskState]int{swarm.TaskStatePending: 1})
		for deadline := time.Now().Add(10 * time.Second); lost[0].Status.Err == "" && time.Now().Before(deadline); {
			time.Sleep(50 * time.Millisecond)
			lost = w.tasks(lost[0].ServiceID)
		}
		text, _, _ := strings.Cut(lost[0].Status.Err, " on ") // how many nodes there are differs
		w.tell("nowhere to run: %q, %q", lost[0].Status.Message, text)
	},

	"a job": func(w *witness) {
		spec := w.spec("contract-job", 0)
		total := uint64(2)
		spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &total, TotalCompletions: &total}}
		spec.UpdateConfig = nil
		spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
		spec.TaskTemplate.ContainerSpec.Command = []string{"true"}
		spec.TaskTemplate.ContainerSpec.Labels = map[string]string{"simulate.exit": "10ms"}
		for _, t := range w.settled(w.service(spec), map[swarm.TaskState]int{swarm.TaskStateComplete: 2}) {
			w.tell("slot %d: desired %s, %q, job %v", t.Slot, t.DesiredState, t.Status.Message, t.JobIteration != nil)
		}
	},

	"a container that fails": func(w *witness) {
		spec := w.spec("contract-crash", 1)
		spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
		spec.TaskTemplate.ContainerSpec.Command = []string{"sh", "-c", "exit 3"}
		spec.TaskTemplate.ContainerSpec.Labels = map[string]string{"simulate.exit": "10ms", "simulate.code": "3"}
		t := w.settled(w.service(spec), map[swarm.TaskState]int{swarm.TaskStateFailed: 1})[0]
		w.tell("%s: %q, %q, code %d", t.Status.State, t.Status.Message, t.Status.Err, t.Status.ContainerStatus.ExitCode)
		w.eventuallyTell(func() string { return fmt.Sprintf("desired %s", w.tasks(t.ServiceID)[0].DesiredState) }, "shutdown") // a moment later
	},

	"logs": func(w *witness) {
		spec := w.spec("contract-log", 1)
		spec.TaskTemplate.ContainerSpec.Command = []string{"sh", "-c", "echo one; echo two; sleep 3600"}
		spec.TaskTemplate.ContainerSpec.Labels = map[string]string{"simulate.log": "one\ntwo"}
		t := w.settled(w.service(spec), map[swarm.TaskState]int{swarm.TaskStateRunning: 1})[0]
		time.Sleep(500 * time.Millisecond) // until it has written
		for _, tail := range []string{"all", "1"} {
			body, err := w.TaskLogs(w.ctx, t.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: tail})
			w.must(err)
			data, err := io.ReadAll(body)
			w.must(err)
			for len(data) >= 8 {
				n := 8 + int(binary.BigEndian.Uint32(data[4:]))
				w.tell("tail %s: stream %d: %q", tail, data[0], data[8:n])
				data = data[n:]
			}
		}
		_, err := w.TaskLogs(w.ctx, "nothing", container.LogsOptions{ShowStdout: true})
		w.tellError("of no task", err)
	},

	"nodes": func(w *witness) {
		info, err := w.Info(w.ctx)
		w.must(err)
		w.tell("the Swarm is %s, managed from here: %v, its node known: %v", info.Swarm.LocalNodeState, info.Swarm.ControlAvailable, info.Swarm.NodeID != "")
		n, _, err := w.NodeInspectWithRaw(w.ctx, info.Swarm.NodeID)
		w.must(err)
		w.tell("its role is %s, it is %s and %s, leader: %v", n.Spec.Role, n.Spec.Availability, n.Status.State, n.ManagerStatus.Leader)
		w.tellError("remove a manager", w.NodeRemove(w.ctx, n.ID, swarm.NodeRemoveOptions{}))
		worker := n.Spec
		worker.Role = swarm.NodeRoleWorker
		w.tellError("demote the last manager", w.NodeUpdate(w.ctx, n.ID, n.Version, worker))
		paused := n.Spec
		paused.Availability = swarm.NodeAvailabilityPause
		w.tellError("pause", w.NodeUpdate(w.ctx, n.ID, n.Version, paused))
		w.tellError("a stale update", w.NodeUpdate(w.ctx, n.ID, n.Version, paused))
		n, _, err = w.NodeInspectWithRaw(w.ctx, info.Swarm.NodeID)
		w.must(err)
		n.Spec.Availability = swarm.NodeAvailabilityActive
		w.must(w.NodeUpdate(w.ctx, n.ID, n.Version, n.Spec))
	},

	"events": func(w *witness) {
		since := time.Now()
		id := w.service(w.spec("contract-events", 0))
		w.must(w.update(id, func(s *swarm.ServiceSpec) { s.Labels = map[string]string{"x": "y"} }))
		w.must(w.ServiceRemove(w.ctx, id))
		config, err := w.ConfigCreate(w.ctx, swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "contract-events"}, Data: []byte("x")})
		w.must(err)
		read, _, err := w.ConfigInspectWithRaw(w.ctx, config.ID)
		w.must(err)
		read.Spec.Labels = map[string]string{"a": "b"}
		w.must(w.ConfigUpdate(w.ctx, config.ID, read.Version, read.Spec))
		w.must(w.ConfigRemove(w.ctx, config.ID))
		secret, err := w.SecretCreate(w.ctx, swarm.SecretSpec{Annotations: swarm.Annotations{Name: "contract-events"}, Data: []byte("x")})
		w.must(err)
		w.must(w.SecretRemove(w.ctx, secret.ID))
		net, err := w.NetworkCreate(w.ctx, "contract-events", network.CreateOptions{Driver: "overlay", Scope: "swarm"})
		w.must(err)
		w.must(w.NetworkRemove(w.ctx, net.ID))
		time.Sleep(500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
		defer cancel()
		stream, failed := w.Events(ctx, events.ListOptions{
			Since: fmt.Sprintf("%.9f", float64(since.UnixNano())/1e9), Until: fmt.Sprintf("%.9f", float64(time.Now().UnixNano())/1e9),
			Filters: filters.NewArgs(filters.Arg("scope", "swarm")),
		})
		for {
			select {
			case m := <-stream:
				w.tell("%s %s %s: %v", m.Scope, m.Type, m.Action, slices.Sorted(maps.Keys(m.Actor.Attributes)))
			case err := <-failed:
				w.tell("at the end: %v", err)
				slices.Sort(w.told) // of different kinds, they may come in another order
				return
			}
		}
	},
}

// eventually repeats what fails for five seconds.
func (w *witness) eventually(try func() error) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// eventuallyTell tells what is seen once it has the word, or after five seconds.
func (w *witness) eventuallyTell(see func() string, word string) {
	seen := ""
	_ = w.eventually(func() error {
		if seen = see(); !strings.Contains(seen, word) {
			return errors.New("not yet")
		}
		return nil
	})
	w.tell("%s", seen)
}

func TestSimulatedIsAsReal(t *testing.T) {
	host, _ := needHost(t)
	simulation := needSimulation(t)
	for _, name := range slices.Sorted(maps.Keys(contract)) {
		t.Run(name, func(t *testing.T) {
			tales := map[string][]string{}
			for engine, host := range map[string]string{"real": host, "simulated": simulation.Host} {
				t.Run(engine, func(t *testing.T) {
					w := newWitness(t, host)
					contract[name](w)
					if len(w.told) == 0 {
						t.Error("nothing was observed")
					}
					tales[engine] = w.told
				})
			}
			if !slices.Equal(tales["real"], tales["simulated"]) {
				t.Errorf("real:\n  %s\nsimulated:\n  %s", strings.Join(tales["real"], "\n  "), strings.Join(tales["simulated"], "\n  "))
			}
		})
	}
}
