package translate

import (
	"testing"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
)

func TestDocumentPutGet(t *testing.T) { someLaws(t, 100, lawDocument) }
func TestNodePutGet(t *testing.T)     { someLaws(t, 100, lawNode) }
func FuzzDocumentPutGet(f *testing.F) { f.Fuzz(lawDocument) }
func FuzzNodePutGet(f *testing.F)     { f.Fuzz(lawNode) }

// lawDocument: what was written, first and again, is what is read back.
func lawDocument(t *testing.T, seed int64) {
	t.Helper()
	d, w := diceOf(seed), newWorld()
	kind := d.of("ConfigMap", "Secret", "Namespace")
	lens := lensOf(t, kind)
	write := func() Object {
		object := newObject(t, kind)
		*objectMeta(object) = d.meta()
		switch o := object.(type) {
		case *corev1.ConfigMap:
			o.Data, o.BinaryData = map[string]string{"a": d.of(oddValues...)}, map[string][]byte{"b": {0, 1, 0xff}}
		case *corev1.Secret:
			o.Data = map[string][]byte{"a": []byte(d.of(oddValues...))}
		case *corev1.Namespace:
			o.Namespace, o.Name = "", "shop"
			o.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
			o.Status.Phase = corev1.NamespaceActive
		}
		defaultObject(object)
		return named(t, object, kind)
	}
	object, g, old := write(), Group{lens.Groups()[0], "shop"}, Object(nil)
	for range 3 {
		plan, err := w.put(t, lens, g, old, object)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w.run(t, plan)
		f := w.get(t, lens, KeyOf(object))
		if f == nil {
			t.Fatalf("seed %d: it is not there", seed)
		}
		if diff := objectsDiffer(object, f.object); diff != "" {
			t.Fatalf("seed %d: sent and read back differ:\n%s", seed, diff)
		}
		g, old = f.group, f.object
		next := write()
		next.SetNamespace(object.GetNamespace())
		next.SetName(object.GetName())
		object = next
	}
}

// lawNode: labels, annotations and cordon are read back; handing back what was read changes nothing.
func lawNode(t *testing.T, seed int64) {
	t.Helper()
	d, w := diceOf(seed), newWorld()
	n := &swarm.Node{ID: "n1"}
	n.Description.Hostname = d.of("Worker_1", "worker-1", "")
	n.Spec.Role = swarm.NodeRole(d.of("worker", "manager"))
	n.Spec.Availability = swarm.NodeAvailability(d.of("active", "pause", "drain"))
	for _, k := range d.some("disk", "Not A Label", "zone") {
		n.Spec.Labels = withEntry(n.Spec.Labels, k, d.of("ssd", "", "a b"))
	}
	w.nodes[n.ID] = n
	for range 4 {
		f := w.list(t, Nodes{})[0]
		was := w.nodes[n.ID].Spec
		node := f.object.DeepCopyObject().(*corev1.Node)
		plan, err := w.put(t, Nodes{}, f.group, f.object, node)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		same := *copyOf(t, plan.Commit.Node)
		delete(same.Labels, LabelObject)
		own := *copyOf(t, &was)
		delete(own.Labels, LabelObject)
		if digest(own) != digest(same) || len(own.Labels) != len(same.Labels) {
			t.Fatalf("seed %d: handing back what was read changes:\n%s", seed, differ(own, same))
		}
		switch d.Intn(3) {
		case 0:
			node.Labels = withEntry(node.Labels, "added", d.of("", "x"))
			delete(node.Labels, "disk")
		case 1:
			node.Annotations = withEntry(node.Annotations, "note", d.of(oddValues...))
		case 2:
			node.Spec.Unschedulable = !node.Spec.Unschedulable
		}
		if plan, err = w.put(t, Nodes{}, f.group, f.object, node); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w.run(t, plan)
		got := w.list(t, Nodes{})[0].object.(*corev1.Node)
		if diff := differ(node.ObjectMeta, got.ObjectMeta); diff != "" || node.Spec.Unschedulable != got.Spec.Unschedulable {
			t.Fatalf("seed %d: sent and read back differ:\n%s", seed, diff)
		}
		drained := was.Availability == swarm.NodeAvailabilityDrain && node.Spec.Unschedulable
		if now := w.nodes[n.ID].Spec.Availability; drained && now != was.Availability {
			t.Fatalf("seed %d: it was drained and is %s", seed, now)
		}
	}
}
