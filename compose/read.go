package compose

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/capabilities"

	"skep/translate"
)

// Read reads Kubernetes manifests as a stack: what skep would run of them on a Swarm, where Docker's tools alone can run
// it too. What they cannot is in the Findings, and the rest is read; what is no manifest is an error,
// "file:line: what is wrong".
func Read(manifests []Source) (*Stack, error) {
	r := &manifestReader{
		load:    &load{},
		configs: map[translate.Key]*given[*corev1.ConfigMap]{}, secrets: map[translate.Key]*given[*corev1.Secret]{},
		claims: map[translate.Key]*given[*corev1.PersistentVolumeClaim]{}, volumes: map[string]*corev1.PersistentVolume{},
	}
	capabilities.Setup(true, 0) // privileged containers, as kube-apiserver --allow-privileged
	for _, source := range manifests {
		if err := r.file(source); err != nil {
			return nil, err
		}
	}
	if len(r.all) == 0 {
		return nil, errors.New("no Kubernetes object was given: a manifest has apiVersion and kind")
	}
	return r.stack(), nil
}

// given is an object as it was given.
type given[T translate.Object] struct {
	object T
	at     Place
	used   bool
}

type manifestReader struct {
	load     *load
	all      []*given[translate.Object]
	configs  map[translate.Key]*given[*corev1.ConfigMap]
	secrets  map[translate.Key]*given[*corev1.Secret]
	claims   map[translate.Key]*given[*corev1.PersistentVolumeClaim]
	volumes  map[string]*corev1.PersistentVolume
	classes  []*storagev1.StorageClass
	services []*given[*corev1.Service]
	findings []Finding
}

// strict decodes what a kind is, and nothing else.
var strict = kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, legacyscheme.Scheme, legacyscheme.Scheme, kjson.SerializerOptions{Strict: true})

// file reads the documents of a file.
func (r *manifestReader) file(source Source) error {
	if err := sized(source.Name, len(source.Data)); err != nil {
		return err
	}
	documents, err := r.load.documents(file{name: source.Name, path: source.Name, data: source.Data})
	if err != nil {
		return err
	}
	for _, d := range documents {
		at := Place{File: source.Name}
		for _, place := range d.at {
			if at.Line == 0 || place.Line < at.Line {
				at.Line = place.Line
			}
		}
		if err := r.document(d.model, "", at, d.at); err != nil {
			return err
		}
	}
	return nil
}

// document reads an object, or each of a List. path is where it stands in its document.
func (r *manifestReader) document(model map[string]any, path string, at Place, places Places) error {
	kind, _ := model["kind"].(string)
	version, _ := model["apiVersion"].(string)
	if kind == "" || version == "" {
		return r.load.fail(at, path, "it has no apiVersion and kind, so it is no manifest of Kubernetes", "for a Compose file leave out --to compose")
	}
	if items, list := model["items"].([]any); list && strings.HasSuffix(kind, "List") {
		for i, item := range items {
			inner, ok := item.(map[string]any)
			below := strings.TrimPrefix(fmt.Sprintf("%s.items[%d]", path, i), ".")
			if !ok {
				return r.load.fail(places.Of(below), below, "is no object", "an item of a List is a manifest")
			}
			if err := r.document(inner, below, places.Of(below), places); err != nil {
				return err
			}
		}
		return nil
	}
	doc, err := json.Marshal(model)
	if err != nil {
		return r.load.fail(at, path, "cannot be read: "+err.Error(), "mend it")
	}
	object, _, err := strict.Decode(doc, nil, nil)
	switch {
	case runtime.IsNotRegisteredError(err):
		r.find(&given[translate.Object]{at: at}, Refused, kind, "%s of %s is unknown: what it means to a Swarm is to be said by hand", kind, version)
		r.all = append(r.all, &given[translate.Object]{at: at})
		return nil
	case err != nil:
		return r.undecoded(err, path, at, places)
	}
	legacyscheme.Scheme.Default(object)
	o, ok := object.(translate.Object)
	if !ok {
		return r.load.fail(at, path, kind+" is no object that could be applied", "take it out")
	}
	o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(version, kind))
	if err := refusedByServer(o); err != nil {
		return r.load.fail(at, path, scrub(err.Error()), "mend it: kubectl apply --dry-run=server says the same")
	}
	r.keep(&given[translate.Object]{object: o, at: at})
	return nil
}

// refusedByServer says what an API server would find wrong with an object; nil of a kind that means nothing here.
func refusedByServer(o translate.Object) error {
	if kindOf(gvkOf(o)) == nil {
		return nil
	}
	sent := o.DeepCopyObject().(translate.Object)
	sent.SetResourceVersion("") // as kubectl get has it
	sent.SetUID("")
	return validateOne(sent)
}

var fieldNamed = regexp.MustCompile(`(unknown|duplicate) field "([^"]+)"`)

// undecoded is the error of a manifest that is not what its kind is, at the field where it says which.
func (r *manifestReader) undecoded(err error, path string, at Place, places Places) error {
	if found := fieldNamed.FindStringSubmatch(err.Error()); found != nil {
		key := strings.TrimPrefix(path+"."+found[2], ".")
		return r.load.fail(cmp.Or(places.Of(key), at), found[2], "is a field that there is not", "mend its name, or take it out")
	}
	return r.load.fail(at, path, "cannot be read: "+scrub(err.Error()), "mend it: kubectl explain says what the kind takes")
}

// keep takes in an object.
func (r *manifestReader) keep(g *given[translate.Object]) {
	r.all = append(r.all, g)
	k := translate.KeyOf(g.object)
	switch o := g.object.(type) {
	case *corev1.ConfigMap:
		r.configs[k] = &given[*corev1.ConfigMap]{object: o, at: g.at}
	case *corev1.Secret:
		if o.Data == nil {
			o.Data = map[string][]byte{}
		}
		for key, value := range o.StringData {
			o.Data[key] = []byte(value)
		}
		r.secrets[k] = &given[*corev1.Secret]{object: o, at: g.at}
	case *corev1.PersistentVolumeClaim:
		r.claims[k] = &given[*corev1.PersistentVolumeClaim]{object: o, at: g.at}
	case *corev1.PersistentVolume:
		r.volumes[o.Name] = o
	case *storagev1.StorageClass:
		r.classes = append(r.classes, o)
	case *corev1.Service:
		r.services = append(r.services, &given[*corev1.Service]{object: o, at: g.at})
	}
}

// find notes a finding about an object.
func (r *manifestReader) find(g *given[translate.Object], fate Fate, service, format string, args ...any) {
	f := Finding{Fate: fate, File: g.at.File, Line: g.at.Line, Message: fmt.Sprintf(format, args...), Path: service}
	if g.object != nil {
		f.Path = gvkOf(g.object).Kind + "/" + g.object.GetName()
		f.Service = service
	}
	r.findings = append(r.findings, f)
}

// namespace is the one that all objects are in; "" where none says one, or they say several.
func (r *manifestReader) namespace() string {
	found := map[string]bool{}
	name := ""
	for _, g := range r.all {
		switch {
		case g.object == nil:
			continue
		case g.object.GetNamespace() != "":
			name = g.object.GetNamespace()
		case g.object.GetObjectKind().GroupVersionKind().Kind == "Namespace":
			name = g.object.GetName()
		default:
			continue
		}
		found[name] = true
	}
	if len(found) != 1 {
		return ""
	}
	return name
}

// unsaid is what becomes of objects that are no part of a stack file, by their kinds.
var unsaid = map[string]struct {
	fate Fate
	text string
}{
	"CronJob":                        {Refused, "a Swarm starts nothing by the clock: a scheduler that runs as a service can, or cron on a node with docker service create --mode replicated-job"},
	"Ingress":                        {Refused, "a stack file routes nothing by host and path: give the service the labels that your reverse proxy reads (Traefik's, say), or publish its port"},
	"NetworkPolicy":                  {Refused, "put the services into networks of their own: those that share none cannot reach each other"},
	"HorizontalPodAutoscaler":        {Refused, "a Swarm scales nothing by itself: deploy.replicas says how many"},
	"PodDisruptionBudget":            {Approximated, "deploy.update_config paces updates; nothing holds up the draining of a node"},
	"ResourceQuota":                  {Refused, "a Swarm has no quotas: deploy.resources limits each service"},
	"LimitRange":                     {Refused, "a Swarm has none: deploy.resources says it for each service"},
	"Endpoints":                      {Refused, "what is outside of the Swarm has a name by extra_hosts"},
	"EndpointSlice":                  {Refused, "what is outside of the Swarm has a name by extra_hosts"},
	"ReplicationController":          {Refused, "make it a Deployment first"},
	"Role":                           {Meaningless, "nothing in a Swarm asks who may do what"},
	"RoleBinding":                    {Meaningless, "nothing in a Swarm asks who may do what"},
	"ClusterRole":                    {Meaningless, "nothing in a Swarm asks who may do what"},
	"ClusterRoleBinding":             {Meaningless, "nothing in a Swarm asks who may do what"},
	"ServiceAccount":                 {Meaningless, "a Swarm has no accounts for what runs in it"},
	"PriorityClass":                  {Meaningless, "a Swarm has no priorities"},
	"StorageClass":                   {Meaningless, "volumes of a Swarm have a driver and its options each"},
	"IngressClass":                   {Meaningless, "a stack file has no Ingresses"},
	"Namespace":                      {}, // the stack
	"ConfigMap":                      {}, // told where nothing uses them
	"Secret":                         {},
	"PersistentVolumeClaim":          {},
	"PersistentVolume":               {},
	"Service":                        {},
	"Event":                          {},
	"ControllerRevision":             {Meaningless, "history of its owner"},
	"PodTemplate":                    {Refused, "it runs nothing by itself"},
	"ValidatingWebhookConfiguration": {Meaningless, "nothing in a Swarm asks it"},
}

// stack makes the stack of all that was given.
func (r *manifestReader) stack() *Stack {
	m := &manifestStack{manifestReader: r, stack: &Stack{Name: r.namespace()}, keys: map[string]map[string]bool{}, volumeKeys: map[string]int{}}
	for _, g := range r.all {
		if g.object == nil {
			continue
		}
		kind := g.object.GetObjectKind().GroupVersionKind().Kind
		if of, other := unsaid[kind]; other {
			if of.fate != "" {
				r.find(g, of.fate, "", "%s", of.text)
			}
			continue
		}
		m.workload(g)
	}
	m.leftOver()
	s := m.stack
	slices.SortFunc(s.Services, func(a, b Service) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(s.Volumes, func(a, b Volume) int { return cmp.Compare(a.Key, b.Key) })
	for _, part := range s.parts() {
		slices.SortFunc(part.files, func(a, b File) int { return cmp.Compare(a.Key, b.Key) })
	}
	s.Findings = r.findings
	s.complete()
	return s
}
