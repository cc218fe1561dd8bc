package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate"
)

// claimChange is a claim as a document of the Swarm.
func claimChange(t *testing.T, index uint64, name, id, volumeName string) change {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: name, Annotations: map[string]string{translate.AnnotationVolume: volumeName},
	}}
	doc, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	c := &swarm.Config{ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: index}}, Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{
		Name: id, Labels: map[string]string{
			translate.LabelKind: "PersistentVolumeClaim", translate.LabelName: name, translate.LabelStack: "default", translate.LabelObject: string(doc),
		},
	}}}
	return change{kind: translate.GroupConfig, id: id, object: c}
}

func nodeChange(id, hostname string) change {
	n := &swarm.Node{ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: 1}}}
	n.Description.Hostname, n.Status.State = hostname, swarm.NodeStateReady
	return change{kind: translate.GroupNode, id: id, object: n}
}

// keysShown are the names of the PersistentVolumes that a view has.
func keysShown(v *View) []string {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	var names []string
	for k := range v.entries {
		names = append(names, k.Name)
	}
	slices.Sort(names)
	return names
}

// TestVolumesShow: an engine's volume shows while no claim has it, under the name of its node, and goes with it.
func TestVolumesShow(t *testing.T) {
	m := NewMirror(testSealer(t))
	view := m.AddView(translate.PersistentVolumes{}, asIs{})
	m.replace([]change{nodeChange("n1", "node1"), nodeChange("n2", "node2")})
	expect := func(what string, want ...string) {
		t.Helper()
		if got := keysShown(view); !slices.Equal(got, want) {
			t.Errorf("%s: %q shows, not %q", what, got, want)
		}
	}
	m.setVolumes("n1", []volume.Volume{{Name: "data", Driver: "local"}, {Name: "other", Driver: "local"}})
	m.setVolumes("n2", []volume.Volume{{Name: "data", Driver: "local"}})
	expect("two nodes", "data.node1", "data.node2", "other.node1")
	m.apply([]change{claimChange(t, 5, "mine", "c1", "data")})
	expect("a claim has one", "other.node1")
	if w := m.world(); !w.VolumeTaken("data") || !w.VolumeTaken("other") || w.VolumeTaken("more") {
		t.Error("which names are taken is wrong")
	}
	m.apply([]change{{kind: translate.GroupConfig, id: "c1"}})
	expect("the claim is gone", "data.node1", "data.node2", "other.node1")
	renamed := nodeChange("n1", "host1")
	renamed.object.(*swarm.Node).Version.Index = 9
	m.apply([]change{renamed})
	expect("the node has another name", "data.host1", "data.node2", "other.host1")
	before := m.Revision()
	m.setVolumes("n2", []volume.Volume{{Name: "data", Driver: "local"}})
	if m.Revision() != before {
		t.Error("the same volumes again are a change")
	}
	m.setVolumes("n2", nil)
	expect("volumes were removed", "data.host1", "other.host1")
}

// someVolumes are the volumes of other nodes.
type someVolumes struct {
	on      map[string][]volume.Volume
	removed []string
	inUse   string
}

func (s *someVolumes) List(_ context.Context, nodeID string) ([]volume.Volume, error) {
	if list, ok := s.on[nodeID]; ok {
		return slices.Clone(list), nil
	}
	return nil, errors.New("no agent answers")
}

func (s *someVolumes) Remove(_ context.Context, nodeID, name string) error {
	if s.inUse == nodeID {
		return cerrdefs.ErrConflict
	}
	s.removed = append(s.removed, nodeID+"/"+name)
	return nil
}

// TestRemoveVolume: only what was made for the claim is removed, wherever it is; the PersistentVolume's own node has to
// answer.
func TestRemoveVolume(t *testing.T) {
	own := volume.Volume{Name: "data", Labels: map[string]string{translate.LabelUID: "u1"}}
	for name, c := range map[string]struct {
		on      map[string][]volume.Volume
		inUse   string
		removed []string
		made    bool
		fails   bool
	}{
		"on its node and where a replica was": {on: map[string][]volume.Volume{"n1": {own}, "n2": {own}}, removed: []string{"n1/data", "n2/data"}, made: true},
		"another's of that name":              {on: map[string][]volume.Volume{"n1": {{Name: "data"}}, "n2": {}}},
		"gone already":                        {on: map[string][]volume.Volume{"n1": {}, "n2": {}}, made: true},
		"another node does not answer":        {on: map[string][]volume.Volume{"n1": {own}}, removed: []string{"n1/data"}, made: true},
		"its node does not answer":            {on: map[string][]volume.Volume{"n2": {own}}, fails: true},
		"a container has it":                  {on: map[string][]volume.Volume{"n1": {own}, "n2": {own}}, inUse: "n1", fails: true},
	} {
		m := NewMirror(testSealer(t))
		m.replace([]change{nodeChange("n1", "node1"), nodeChange("n2", "node2")})
		e, _ := fakeEngine()
		volumes := &someVolumes{on: c.on, inUse: c.inUse}
		made, err := m.RemoveVolume(t.Context(), VolumesOf(e, volumes), "data", "u1", []string{"node1"})
		if (err != nil) != c.fails || err == nil && made != c.made || !slices.Equal(volumes.removed, c.removed) {
			t.Errorf("%s: removed %q, made %v, %v", name, volumes.removed, made, err)
		}
	}
}
