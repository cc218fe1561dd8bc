package translate

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// happening is one document of a case. A Kubernetes object is created; the others are what Docker's tools
// make of the Swarm, or what kubectl does to an object.
type happening struct {
	// Docker's own, in the shape of its API. Version, times, and a task's service and spec may be left out.
	Service *swarm.Service
	Task    *swarm.Task
	Node    *swarm.Node
	Config  *swarm.Config
	Secret  *swarm.Secret
	// Volume is one that the engine of the node with the ID has.
	Volume *struct {
		At string
		volume.Volume
	}
	// Gone is the ID of a task, or the name of a service, that was removed.
	Gone string
	// Patch and Delete name an object as kubectl does, <kind>/<name> or <kind>/<namespace>/<name>.
	Patch, Delete string
	// Update is the name of a service whose spec docker service update changes.
	Update string
	// With is a JSON merge patch of the object, or with Update of the service's spec.
	With json.RawMessage
	// VIP gives services, by name, their virtual IP on skep's network.
	VIP map[string]string
	// Networks are the names of overlays by ID.
	Networks map[string]string
	// Run has services, by name, run so many tasks of their present specs and no others; Begin only begins them.
	Run, Begin map[string]int
	// StackNetworks are the names of a namespace's overlays.
	StackNetworks map[string][]string
	// Networking is what the gateway was told, over DefaultNetworking.
	Networking json.RawMessage
	// After is how much later all this happens than what came before, such as 10s.
	After metav1.Duration
	// Show is all (default), plans, objects, status (of objects) or lines.
	Show string
}

// stage is where a case plays.
type stage struct {
	*fakeWorld
	t    *testing.T
	lens Lens
	out  strings.Builder
	show string
	// last says that this is the last document: earlier ones are not told.
	last      bool
	tasksMade int
}

// TestLensGolden reads testdata/<kind>: what happens, step by step, then what the last write to the Swarm
// is, and the objects of the kind that there are in the end.
func TestLensGolden(t *testing.T) {
	for _, lens := range lenses {
		kind := strings.ToLower(lens.Kind())
		eachCase(t, kind, func(t *testing.T, input string) string {
			t.Helper()
			return playOut(t, lens, input)
		})
	}
}

// eachCase compares the files of testdata/<folder> with what comes of their input, or writes them.
func eachCase(t *testing.T, folder string, outcome func(t *testing.T, input string) string) {
	t.Helper()
	files, err := filepath.Glob("testdata/" + folder + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no cases: %v", folder, err)
	}
	for _, name := range files {
		t.Run(folder+"/"+strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			doc, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			input, _, _ := strings.Cut(string(doc), "\n"+goldenLine)
			input = strings.TrimSuffix(input, "\n") + "\n"
			got := input + outcome(t, input)
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(doc) {
				t.Errorf("%s: got\n%s", name, got)
			}
		})
	}
}

func playOut(t *testing.T, lens Lens, input string) string {
	t.Helper()
	s := &stage{fakeWorld: newWorld(), t: t, lens: lens, show: "all"}
	docs := strings.Split(input, "\n---\n")
	for i, doc := range docs {
		s.last = i == len(docs)-1
		s.index++
		s.happen(doc)
	}
	if s.show == "all" || s.show == "objects" || s.show == "status" {
		for _, f := range s.list(t, lens) {
			if slices.Contains(BuiltinNamespaces[1:], f.object.GetName()) {
				continue // they are all as default is
			}
			fmt.Fprintf(&s.out, "%s%s%s\n%s", goldenLine, strings.ToLower(lens.Kind()), wakes(f), s.tell(f.object))
		}
	}
	return s.out.String()
}

func wakes(f found) string {
	if f.Wake.IsZero() {
		return ""
	}
	return " until " + f.Wake.Format(time.TimeOnly)
}

func (s *stage) happen(doc string) {
	s.t.Helper()
	var typ metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(doc), &typ); err != nil {
		s.t.Fatal(err)
	}
	if typ.Kind != "" {
		object := newObject(s.t, typ.Kind)
		if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
			s.t.Fatal(err)
		}
		s.create(typ.Kind, object)
		return
	}
	var h happening
	if err := yaml.UnmarshalStrict([]byte(doc), &h); err != nil {
		s.t.Fatalf("%v in\n%s", err, doc)
	}
	s.now = s.now.Add(h.After.Duration)
	if h.Show != "" {
		s.show = h.Show
	}
	s.arrange(h)
	s.docker(h)
	switch {
	case h.Update != "":
		s.update(h.Update, h.With)
	case h.Patch != "":
		s.patch(h.Patch, h.With)
	case h.Delete != "":
		lens, k := s.parse(h.Delete)
		f := s.get(s.t, lens, k)
		if f == nil {
			s.t.Fatalf("no %s", h.Delete)
		}
		plan, err := lens.Remove(s, f.group, f.object)
		s.finish(plan, err)
	}
}

// parse reads <kind>/<name> or <kind>/<namespace>/<name>.
func (s *stage) parse(what string) (Lens, Key) {
	s.t.Helper()
	words := strings.Split(what, "/")
	lens := lensOf(s.t, words[0])
	k := Key{Name: words[len(words)-1]}
	switch {
	case len(words) == 3:
		k.Namespace = words[1]
	case namespaced(lens.Kind()):
		k.Namespace = DefaultNamespace
	}
	return lens, k
}

// create does what the API server does before a lens sees the object.
func (s *stage) create(kind string, object Object) {
	s.t.Helper()
	if namespaced(kind) && object.GetNamespace() == "" {
		object.SetNamespace(DefaultNamespace)
	}
	object.SetUID("5c8e1f6e-0000-4000-8000-00000000000" + "1")
	object.SetCreationTimestamp(metav1.NewTime(s.now))
	if specOf(object) != nil {
		object.SetGeneration(1)
	}
	if sec, ok := object.(*corev1.Secret); ok {
		for k, v := range sec.StringData {
			sec.Data = withData(sec.Data, k, v)
		}
		sec.StringData = nil
		if hosts := sec.Annotations["generate"]; hosts != "" {
			sec.Data = ingressPair(s.t, strings.Split(hosts, ","))
		}
	}
	defaultObject(object)
	lens := lensOf(s.t, kind)
	plan, err := s.put(s.t, lens, Group{lens.Groups()[0], object.GetName()}, nil, object)
	s.finish(plan, err)
}

func (s *stage) patch(what string, with json.RawMessage) {
	s.t.Helper()
	lens, k := s.parse(what)
	f := s.get(s.t, lens, k)
	if f == nil {
		s.t.Fatalf("no %s", what)
	}
	doc, err := json.Marshal(f.object)
	if err != nil {
		s.t.Fatal(err)
	}
	if doc, err = jsonpatch.MergePatch(doc, with); err != nil {
		s.t.Fatal(err)
	}
	object := newObject(s.t, lens.Kind())
	if err := json.Unmarshal(doc, object); err != nil {
		s.t.Fatal(err)
	}
	defaultObject(object)
	object.GetObjectKind().SetGroupVersionKind(typed(s.t, lens.Kind()))
	if !equality.Semantic.DeepEqual(specOf(f.object), specOf(object)) {
		object.SetGeneration(object.GetGeneration() + 1)
	}
	plan, err := s.put(s.t, lens, f.group, f.object, object)
	s.finish(plan, err)
}

// finish tells the plan and does it.
func (s *stage) finish(plan Plan, err error) {
	s.t.Helper()
	if err != nil {
		kind := "error"
		if errors.As(err, &Refusal{}) {
			kind = "refused"
		}
		fmt.Fprintf(&s.out, "%s%s\n%v\n", goldenLine, kind, err)
		return
	}
	if s.last && s.show != "objects" && s.show != "status" && s.show != "lines" {
		s.tellPlan(plan)
	}
	before := s.workload(plan.Commit.ID)
	id := s.run(s.t, plan)
	if plan.Commit.Group == GroupService {
		s.keep(ServiceEvents(before, s.Workload(id)))
	}
}

func (s *stage) workload(id string) *Workload {
	if s.services[id] == nil {
		return nil
	}
	return s.Workload(id)
}

// keep keeps Events as the mirror does, and tells the last document's as kubectl get events would.
func (s *stage) keep(events []*corev1.Event) {
	for _, e := range events {
		s.events[EventID(e)] = e
		if s.show == "lines" && s.last {
			about := strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
			fmt.Fprintf(&s.out, "%sevent\n%s %s %s: %s\n", goldenLine, e.Type, e.Reason, about, e.Message)
		}
	}
}

// tellPlan writes a plan as a reader wants it.
func (s *stage) tellPlan(plan Plan) {
	s.t.Helper()
	for _, warning := range plan.Warnings {
		fmt.Fprintf(&s.out, "%swarning\n%s\n", goldenLine, warning)
	}
	for _, m := range plan.Materials {
		what := "config"
		if m.Secret {
			what = "secret"
		}
		fmt.Fprintf(&s.out, "%smaterial %s %s\n%s\n", goldenLine, what, m.Name, s.tellData(m.Data))
	}
	for _, name := range plan.Networks {
		fmt.Fprintf(&s.out, "%snetwork %s\n", goldenLine, name)
	}
	for _, step := range plan.Before {
		s.tellStep("before: ", step)
	}
	if plan.Commit.Empty() {
		s.out.WriteString(goldenLine + "nothing to commit\n")
	} else {
		s.tellStep("", plan.Commit)
	}
	for _, step := range plan.After {
		s.tellStep("after: ", step)
	}
}

// tellData writes an nginx configuration as it is, but for what all have, and of certificates whose they are.
func (s *stage) tellData(data []byte) string {
	text := string(data)
	if _, part, ok := strings.Cut(text, "    proxy_socket_keepalive on;\n"); ok && strings.Contains(text, "\nstream {") {
		return strings.TrimSuffix(part, "}\n")
	}
	if strings.Contains(text, "    grpc_buffer_size 16k;\n") {
		return strings.TrimSuffix(ingressPart(s.t, text), "\n")
	}
	if block, _ := pem.Decode(data); block != nil {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			s.t.Fatal(err)
		}
		return "certificate of " + strings.Join(certificate.DNSNames, ", ")
	}
	return readableData(s.t, data)
}

func (s *stage) tellStep(when string, step Step) {
	s.t.Helper()
	was, now := any(nil), any(nil)
	switch {
	case step.Task != "":
		fmt.Fprintf(&s.out, "%s%sremove task %s\n", goldenLine, when, step.Task)
		return
	case step.Service != nil:
		if now = step.Service; step.ID != "" {
			was = &s.services[step.ID].Spec
		}
	case step.Config != nil:
		if now = step.Config; step.ID != "" {
			was = &s.configs[step.ID].Spec
		}
	case step.Node != nil:
		was, now = &s.nodes[step.ID].Spec, step.Node
	case step.Event != nil:
		fmt.Fprintf(&s.out, "%s%skeep event %s\n", goldenLine, when, step.ID)
		return
	default:
		fmt.Fprintf(&s.out, "%s%sremove %s %s\n", goldenLine, when, step.Group, step.ID)
		return
	}
	if was == nil {
		fmt.Fprintf(&s.out, "%s%screate %s\n%s", goldenLine, when, step.Group, asYAML(s.t, readable(s.t, now)))
		return
	}
	fmt.Fprintf(&s.out, "%s%schange %s %s\n%s", goldenLine, when, step.Group, step.ID, asYAML(s.t, changes(s.t, readable(s.t, was), readable(s.t, now))))
}

// tell writes an object as kubectl get -o yaml would; with show status, its status alone.
func (s *stage) tell(object Object) string {
	s.t.Helper()
	doc, err := json.Marshal(object)
	if err != nil {
		s.t.Fatal(err)
	}
	plain := map[string]any{}
	if err := json.Unmarshal(doc, &plain); err != nil {
		s.t.Fatal(err)
	}
	if s.show == "status" {
		meta := plain["metadata"].(map[string]any)
		maps.DeleteFunc(meta, func(k string, _ any) bool {
			return !slices.Contains([]string{"name", "deletionTimestamp", "deletionGracePeriodSeconds"}, k)
		})
		plain = map[string]any{"metadata": meta, "status": plain["status"]}
	}
	return asYAML(s.t, brief(plain))
}
