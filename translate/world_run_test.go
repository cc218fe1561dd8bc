package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
)

// skepNetworkID is what throughDocker makes of the name of skep's network.
const skepNetworkID = "k7jtw6i8ga6a"

// run does a plan as Swarm would and returns the ID of what it committed.
func (w *fakeWorld) run(t *testing.T, plan Plan) string {
	t.Helper()
	for _, m := range plan.Materials {
		w.materials[m.Name] = m
	}
	for _, s := range plan.Before {
		w.step(t, s)
	}
	id := w.step(t, plan.Commit)
	for _, s := range plan.After {
		w.step(t, s)
	}
	return id
}

func (w *fakeWorld) next(kind GroupKind) string { return fmt.Sprintf("%s%d", kind, w.index) }

func (w *fakeWorld) step(t *testing.T, s Step) string {
	t.Helper()
	if s.Empty() {
		return ""
	}
	w.index++
	meta := swarm.Meta{Version: swarm.Version{Index: w.index}, CreatedAt: w.now, UpdatedAt: w.now}
	id := s.ID
	if id == "" {
		id = w.next(s.Group)
	}
	switch {
	case s.Task != "":
		delete(w.tasks, s.Task)
	case s.Group == GroupEvent && s.Event != nil:
		w.events[id] = s.Event.DeepCopy()
	case s.Service != nil:
		now := &swarm.Service{ID: id, Meta: meta, Spec: *copyOf(t, s.Service)}
		fillIn(t, &now.Spec.TaskTemplate)
		if was := w.services[id]; was != nil {
			w.stale(t, s, was.Version)
			now.CreatedAt, now.PreviousSpec, now.Endpoint = was.CreatedAt, copyOf(t, &was.Spec), was.Endpoint
		}
		w.services[id] = now
	case s.Config != nil:
		now := &swarm.Config{ID: id, Meta: meta, Spec: *copyOf(t, s.Config)}
		if was := w.configs[id]; was != nil {
			w.stale(t, s, was.Version)
			now.CreatedAt = was.CreatedAt
		}
		w.configs[id] = now
	case s.Node != nil:
		was := w.nodes[id]
		w.stale(t, s, was.Version)
		now := copyOf(t, was)
		now.Version, now.UpdatedAt, now.Spec = meta.Version, w.now, *copyOf(t, s.Node)
		w.nodes[id] = now
	case s.Group == GroupService:
		if w.gone[id] = w.services[id]; w.gone[id] == nil {
			t.Errorf("service %s is to be removed and is not there", id)
		}
		delete(w.services, id)
	default:
		delete(w.configs, id)
		delete(w.secrets, id)
		delete(w.nodes, id)
		delete(w.events, id)
	}
	return id
}

// fillIn does to a task spec what Docker does.
func fillIn(t *testing.T, spec *swarm.TaskSpec) {
	t.Helper()
	if spec.ContainerSpec == nil {
		return
	}
	filled := throughDocker(t, spec)
	for i, n := range spec.Networks {
		if n.Target != DefaultNetworking.Network {
			filled.Networks[i].Target = n.Target
		}
	}
	*spec = *filled
}

func (w *fakeWorld) stale(t *testing.T, s Step, version swarm.Version) {
	t.Helper()
	if s.ID == "" || s.Version != version {
		t.Errorf("the step on %s %s is not of version %d", s.Group, s.ID, version.Index)
	}
}

// copyOf copies a value as Docker does: through JSON.
func copyOf[T any](t *testing.T, v *T) *T {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out := new(T)
	if err := json.Unmarshal(doc, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// snapshot is all that lenses may read and must not write, as text.
func (w *fakeWorld) snapshot(t *testing.T) string {
	t.Helper()
	type parsed struct {
		Object   Object
		Template corev1.PodTemplateSpec
	}
	workloads := map[string]parsed{}
	for id := range w.services {
		wl := w.Workload(id)
		workloads[id] = parsed{wl.Object, wl.Template}
	}
	doc, err := json.MarshalIndent([]any{w.services, w.gone, w.tasks, w.configs, w.secrets, w.nodes, w.events, workloads}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// groups are all that lenses are asked for.
func (w *fakeWorld) groups() []Group {
	var all []Group
	add := func(kind GroupKind, ids []string) {
		for _, id := range ids {
			all = append(all, Group{kind, id})
		}
	}
	add(GroupService, slices.Sorted(maps.Keys(w.services)))
	add(GroupService, slices.Sorted(maps.Keys(w.gone)))
	add(GroupNode, slices.Sorted(maps.Keys(w.nodes)))
	add(GroupConfig, slices.Sorted(maps.Keys(w.configs)))
	add(GroupSecret, slices.Sorted(maps.Keys(w.secrets)))
	add(GroupEvent, slices.Sorted(maps.Keys(w.events)))
	spaces := map[string]bool{}
	for _, c := range w.claims() {
		if c.stack != "" {
			spaces[DNSName(c.stack)] = true
		}
	}
	for _, name := range BuiltinNamespaces {
		spaces[name] = true
	}
	add(GroupNamespace, slices.Sorted(maps.Keys(spaces)))
	add(GroupAddress, w.addressIDs())
	add(GroupVolume, slices.Sorted(maps.Keys(w.volumes)))
	return all
}

// found is an object with where it is.
type found struct {
	Derived
	group  Group
	object Object
}

// list are all objects of a lens.
func (w *fakeWorld) list(t *testing.T, lens Lens) []found {
	t.Helper()
	var all []found
	for _, g := range w.groups() {
		if !slices.Contains(lens.Groups(), g.Kind) {
			continue
		}
		for _, d := range lens.Get(w, g) {
			object, err := d.Build()
			if err != nil {
				t.Fatalf("%s %v: %v", lens.Kind(), d.Key, err)
			}
			if KeyOf(object) != d.Key {
				t.Errorf("%s %v builds %v", lens.Kind(), d.Key, KeyOf(object))
			}
			all = append(all, found{d, g, object})
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.Key.Namespace, b.Key.Namespace), cmp.Compare(a.Key.Name, b.Key.Name))
	})
	return all
}

// get is one object of a lens, nil when there is none.
func (w *fakeWorld) get(t *testing.T, lens Lens, k Key) *found {
	t.Helper()
	for _, f := range w.list(t, lens) {
		if f.Key == k {
			return &f
		}
	}
	return nil
}

// put has the lens plan, and sees to it that nothing that it was given changes.
func (w *fakeWorld) put(t *testing.T, lens Lens, g Group, old, object Object) (Plan, error) {
	t.Helper()
	before := w.snapshot(t)
	given := []Object{object.DeepCopyObject().(Object), nil}
	if old != nil {
		given[1] = old.DeepCopyObject().(Object)
	}
	plan, err := lens.Put(w, g, old, object)
	if diff := differ(given[0], object); diff != "" {
		t.Errorf("Put changed the object:\n%s", diff)
	}
	if old != nil && differ(given[1], old) != "" {
		t.Errorf("Put changed the old object:\n%s", differ(given[1], old))
	}
	if after := w.snapshot(t); after != before {
		t.Errorf("Put changed the Swarm:\n%s", differ(json.RawMessage(before), json.RawMessage(after)))
	}
	return plan, err
}
