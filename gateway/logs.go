package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/validation"

	"skep/swarm"
)

// podLogs is a Pod's log, read through the Swarm manager from whichever node the task is on.
type podLogs struct {
	pods   *genericregistry.Store
	engine *swarm.Engine
	mirror *swarm.Mirror
}

var (
	_ rest.GetterWithOptions = podLogs{}
	_ rest.StorageMetadata   = podLogs{}
	_ rest.ResourceStreamer  = logStream{}
	_ rest.Storage           = podLogs{}
)

// New implements rest.Storage.
func (podLogs) New() runtime.Object { return &api.Pod{} }

// Destroy implements rest.Storage.
func (podLogs) Destroy() {}

// ProducesMIMETypes implements rest.StorageMetadata.
func (podLogs) ProducesMIMETypes(string) []string { return []string{"text/plain"} }

// ProducesObject implements rest.StorageMetadata.
func (podLogs) ProducesObject(string) any { return "" }

// NewGetOptions implements rest.GetterWithOptions.
func (podLogs) NewGetOptions() (runtime.Object, bool, string) { return &api.PodLogOptions{}, false, "" }

// Get implements rest.GetterWithOptions.
func (l podLogs) Get(ctx context.Context, name string, options runtime.Object) (runtime.Object, error) {
	o, ok := options.(*api.PodLogOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	if o.Stream == nil {
		all := api.LogStreamAll
		o.Stream = &all
	}
	if errs := validation.ValidatePodLogOptions(o, true); len(errs) > 0 {
		return nil, apierrors.NewInvalid(api.Kind("PodLogOptions"), name, errs)
	}
	object, err := l.pods.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	pod := object.(*api.Pod)
	if len(pod.Spec.Containers) > 0 && o.Container != "" && o.Container != pod.Spec.Containers[0].Name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", o.Container, name))
	}
	request := swarm.LogRequest{
		Follow: o.Follow, Timestamps: o.Timestamps, Tail: o.TailLines, LimitBytes: o.LimitBytes, Previous: o.Previous,
		Stdout: *o.Stream != api.LogStreamStderr, Stderr: *o.Stream != api.LogStreamStdout,
	}
	if o.SinceTime != nil {
		request.Since = o.SinceTime.Time
	}
	if o.SinceSeconds != nil {
		request.SinceSeconds = *o.SinceSeconds
	}
	body, err := l.engine.Logs(ctx, l.mirror, pod.Annotations, request)
	switch {
	case errors.Is(err, swarm.ErrNoPrevious):
		return nil, apierrors.NewBadRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", pod.Spec.Containers[0].Name, name))
	case errors.Is(err, swarm.ErrNotStarted):
		reason := "ContainerCreating"
		if s := pod.Status.ContainerStatuses; len(s) > 0 && s[0].State.Waiting != nil {
			reason = s[0].State.Waiting.Reason
		}
		return nil, apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", pod.Spec.Containers[0].Name, name, reason))
	case err != nil:
		return nil, apierrors.NewServiceUnavailable("the Swarm does not give the log: " + err.Error())
	}
	return logStream{body}, nil
}

// logStream is a log on its way to a client.
type logStream struct{ body io.ReadCloser }

// GetObjectKind implements runtime.Object.
func (logStream) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object.
func (s logStream) DeepCopyObject() runtime.Object { return s }

// InputStream implements rest.ResourceStreamer.
func (s logStream) InputStream(context.Context, string, string) (io.ReadCloser, bool, string, error) {
	return s.body, true, "text/plain", nil
}
