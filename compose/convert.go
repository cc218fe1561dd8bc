package compose

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"skep/translate"
)

// converter carries a stack on its way to Kubernetes.
type converter struct {
	stack     *Stack
	options   Options
	names     names
	workloads []*workload // in the order of the stack's services
	result    Result
}

// workload is a service on its way.
type workload struct {
	service *Service
	// name is its workload's and its Service's.
	name string
	// at is the path of the service in the model: services.web, or jobs.backup.
	at string
	// selector are the labels by which its Pods are found.
	selector map[string]string
	template corev1.PodTemplateSpec
	// claims are the templates of claims that each Pod has for itself.
	claims []corev1.PersistentVolumeClaim
	// object is what runs the template: a Deployment, StatefulSet, DaemonSet, Job or CronJob; nil until it is made.
	object translate.Object
}

// container is the workload's own, as against those that Compose has start before it.
func (w *workload) container() *corev1.Container { return &w.template.Spec.Containers[0] }

// Convert turns a stack into Kubernetes objects. What cannot be converted is in the findings, and the rest is converted;
// an error says that nothing could be.
func Convert(s *Stack, o Options) (*Result, error) {
	c := &converter{stack: s, options: o, names: names{}, result: Result{Name: s.Name, Findings: s.Findings}}
	c.result.Findings = append(c.result.Findings, audit(s)...)
	c.namespace()
	c.stored()
	for i := range s.Services {
		if w := c.workload(&s.Services[i]); w != nil {
			c.workloads = append(c.workloads, w)
		}
	}
	c.claims()
	c.await()
	c.expose()
	c.route()
	c.separate()
	for _, w := range c.workloads {
		c.run(w)
		c.add(w.object, w.at)
	}
	c.result.Objects = ordered(c.result.Objects)
	c.result.Findings = sortFindings(c.result.Findings)
	if err := validate(c.result.Objects, c.elsewhere()...); err != nil {
		return nil, fmt.Errorf("what became of the stack is not valid, which is a fault of skep: %w", err)
	}
	return &c.result, nil
}

// add takes an object into the result. from is the key in the model that it came from.
func (c *converter) add(object translate.Object, from string) {
	if !clusterWide(object) {
		object.SetNamespace(c.options.Namespace)
	}
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelManagedBy] = managedBy
	if c.stack.Name != "" {
		labels[LabelPartOf] = label(c.stack.Name)
	}
	object.SetLabels(labels)
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AnnotationFrom] = from
	object.SetAnnotations(annotations)
	if kinds, _, err := scheme.Scheme.ObjectKinds(object); err == nil {
		object.GetObjectKind().SetGroupVersionKind(kinds[0])
	}
	c.result.Objects = append(c.result.Objects, object)
}

// find notes a finding about a key of the model. The service is read off the path.
func (c *converter) find(fate Fate, path, format string, args ...any) {
	at := c.stack.Places.Of(path)
	c.result.Findings = append(c.result.Findings, Finding{
		Fate: fate, File: at.File, Line: at.Line, Path: path, Service: serviceOf(path), Message: fmt.Sprintf(format, args...),
	})
}

// decide notes a finding that asks for a decision, or for something to be filled in.
func (c *converter) decide(fate Fate, path, format string, args ...any) {
	c.find(fate, path, format, args...)
	c.result.Findings[len(c.result.Findings)-1].Decide = true
}

// external notes an object that others make, and that this stack's objects refer to.
func (c *converter) external(kind, name string) {
	c.fill(kind, name, "", "made elsewhere: it has to be there")
}

// fill notes a value that has to be filled in.
func (c *converter) fill(kind, name, key, reason string) {
	f := Fill{Kind: kind, Namespace: c.options.Namespace, Name: name, Key: key, Reason: reason}
	if !slices.Contains(c.result.Fill, f) {
		c.result.Fill = append(c.result.Fill, f)
	}
}

// namespace makes the namespace that the objects are to live in.
func (c *converter) namespace() {
	if c.options.Namespace != "" && c.options.Namespace != metav1.NamespaceDefault {
		c.add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.options.Namespace, Annotations: extensions(c.stack.Extensions)}}, "name")
	}
}

// elsewhere are the objects that others make.
func (c *converter) elsewhere() []Reference {
	var all []Reference
	for _, f := range c.result.Fill {
		if f.Key == "" {
			all = append(all, Reference{Kind: f.Kind, Namespace: f.Namespace, Name: f.Name})
		}
	}
	return all
}

// clusterWide says whether an object lives in no namespace.
func clusterWide(object translate.Object) bool {
	switch object.(type) {
	case *corev1.Namespace, *corev1.PersistentVolume:
		return true
	}
	return false
}

// newMeta is the metadata of an object that is named by the stack.
func newMeta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
