package gateway

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"skep/translate"
)

// reports tells by Events what Services and Ingresses ask for and do not get, each thing once.
type reports struct {
	recorder record.EventRecorder

	mu   sync.Mutex
	told map[translate.Key]map[translate.Problem]bool // by what was looked at together
}

func newReports(ctx context.Context, client kubernetes.Interface) *reports {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: client.CoreV1().Events("")})
	return &reports{
		recorder: broadcaster.NewRecorder(legacyscheme.Scheme, corev1.EventSource{Component: "skep"}),
		told:     map[translate.Key]map[translate.Problem]bool{},
	}
}

// tell tells of those problems that were not there when the same was looked at last.
func (r *reports) tell(about translate.Key, problems []translate.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := map[translate.Problem]bool{}
	for _, p := range problems {
		now[p] = true
		if r.told[about][p] || p.Key.Name == "" {
			continue
		}
		ref := &corev1.ObjectReference{APIVersion: versions[p.Kind], Kind: p.Kind, Namespace: p.Key.Namespace, Name: p.Key.Name, UID: p.UID}
		r.recorder.Event(ref, corev1.EventTypeWarning, p.Reason, p.Message)
	}
	if r.told[about] = now; len(now) == 0 {
		delete(r.told, about)
	}
}

var versions = map[string]string{"Pod": "v1", "Service": "v1", "Ingress": "networking.k8s.io/v1", "NetworkPolicy": "networking.k8s.io/v1"}

// makeClasses makes skep's IngressClasses, the one of its proxy being the default, where there are none at all.
func makeClasses(ctx context.Context, client kubernetes.Interface) {
	classes := client.NetworkingV1().IngressClasses()
	list, err := classes.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil || len(list.Items) > 0 {
		return
	}
	for _, c := range []networkingv1.IngressClass{
		{
			ObjectMeta: metav1.ObjectMeta{Name: translate.IngressClassProxy, Annotations: map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}},
			Spec:       networkingv1.IngressClassSpec{Controller: translate.IngressControllerProxy},
		},
		{
			ObjectMeta: metav1.ObjectMeta{Name: translate.IngressClassTraefik},
			Spec:       networkingv1.IngressClassSpec{Controller: translate.IngressControllerTraefik},
		},
	} {
		if _, err := classes.Create(ctx, &c, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			klog.ErrorS(err, "An IngressClass cannot be made", "name", c.Name)
		}
	}
}
