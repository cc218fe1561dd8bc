package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

// pullTime is how long an image may take to arrive.
const pullTime = 15 * time.Minute

// Ephemeral asks for an ephemeral container beside the one container of a Pod without a sandbox.
type Ephemeral struct {
	Container corev1.EphemeralContainer `json:"container"`
	Pod       PodName                   `json:"pod"`
	// RegistryAuth is for Docker's X-Registry-Auth header; may be empty.
	RegistryAuth string `json:"registryAuth,omitempty"`
}

// PodName says whose container it is.
type PodName struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	UID       types.UID `json:"uid"`
}

// pull names an ephemeral container.
type pull struct{ beside, name string }

// putEphemeral starts an ephemeral container, once: one of that name that is there already, ended or not, is left as it is.
// The image may have to be pulled; then the answer is 202, and the container's status tells how that goes.
func (a *Agent) putEphemeral(w http.ResponseWriter, r *http.Request) {
	var e Ephemeral
	if err := readJSON(w, r, &e); err != nil {
		fail(w, err)
		return
	}
	beside, err := a.running(r.Context(), r.PathValue("id"))
	if err == nil && e.Container.Name == "" {
		err = failure(http.StatusBadRequest, "the ephemeral container has no name")
	}
	if err != nil {
		fail(w, err)
		return
	}
	there, err := a.ephemeral(r.Context(), beside.ID, e.Container.Name)
	if err != nil {
		fail(w, err)
		return
	}
	if len(there) > 0 {
		return
	}
	_, err = a.docker.ImageInspect(r.Context(), e.Container.Image)
	if e.Container.ImagePullPolicy != corev1.PullAlways && err == nil || e.Container.ImagePullPolicy == corev1.PullNever {
		if err := a.startEphemeral(r.Context(), beside, e); err != nil {
			fail(w, err)
		}
		return
	}
	a.pullEphemeral(context.WithoutCancel(r.Context()), beside, e)
	w.WriteHeader(http.StatusAccepted)
}

// pullEphemeral pulls the image and starts the container, in the background.
func (a *Agent) pullEphemeral(ctx context.Context, beside container.InspectResponse, e Ephemeral) {
	key := pull{beside.ID, e.Container.Name}
	a.pullMu.Lock()
	defer a.pullMu.Unlock()
	if failed, busy := a.pulls[key]; busy && failed == "" {
		return
	}
	a.pulls[key] = ""
	go func() {
		ctx, cancel := context.WithTimeout(ctx, pullTime)
		defer cancel()
		err := a.pullImage(ctx, e.Container.Image, e.RegistryAuth)
		// As Swarm does with its tasks: an image that is there serves when the registry does not answer.
		if err == nil || errIsLocal(ctx, a.docker, e.Container.Image) {
			err = a.startEphemeral(ctx, beside, e)
		}
		a.pullMu.Lock()
		defer a.pullMu.Unlock()
		delete(a.pulls, key)
		if err != nil {
			a.pulls[key] = err.Error()
			// Told for as long as somebody may ask.
			time.AfterFunc(pullTime, func() { a.forget(key) })
		}
	}()
}

func (a *Agent) forget(key pull) {
	a.pullMu.Lock()
	defer a.pullMu.Unlock()
	if a.pulls[key] != "" {
		delete(a.pulls, key)
	}
}

func errIsLocal(ctx context.Context, d Docker, ref string) bool {
	_, err := d.ImageInspect(ctx, ref)
	return err == nil
}

// pullImage reads the Engine's progress to its end, where a failure is told.
func (a *Agent) pullImage(ctx context.Context, ref, auth string) error {
	progress, err := a.docker.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer progress.Close() //nolint:errcheck // it was only read
	for decoder := json.NewDecoder(progress); ; {
		var line struct {
			Error string `json:"error"`
		}
		switch err := decoder.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("progress of the pull: %w", err)
		case line.Error != "":
			return errors.New(line.Error)
		}
	}
}

// startEphemeral makes the container and starts it. Why one does not start is told by its status, as a kubelet does.
func (a *Agent) startEphemeral(ctx context.Context, beside container.InspectResponse, e Ephemeral) error {
	config, host, err := a.ephemeralConfig(ctx, beside, e)
	if err != nil {
		return err
	}
	made, err := a.docker.ContainerCreate(ctx, config, host, nil, nil, "skep_"+short(beside.ID)+"_"+e.Container.Name)
	if errdefs.IsConflict(err) {
		return nil // somebody else asked for it at the same time
	}
	if err != nil {
		return fmt.Errorf("create ephemeral container %s: %w", e.Container.Name, err)
	}
	if err := a.docker.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		c, inspectErr := a.docker.ContainerInspect(ctx, made.ID)
		if inspectErr != nil || c.State.Error == "" {
			return fmt.Errorf("start ephemeral container %s: %w", e.Container.Name, errors.Join(err, inspectErr))
		}
	}
	return nil
}

// ephemeralConfig is what the container is to Docker: as in a sandbox, but in the namespaces of a plain container, and
// with its labels for the sandbox's container, so that whoever reaps takes it along.
func (a *Agent) ephemeralConfig(ctx context.Context, beside container.InspectResponse, e Ephemeral) (*container.Config, *container.HostConfig, error) {
	found, err := a.docker.ImageInspect(ctx, e.Container.Image)
	if err != nil {
		return nil, nil, failure(http.StatusBadRequest, "image of ephemeral container %s on node %s: %w", e.Container.Name, a.options.Node, err)
	}
	c := corev1.Container(e.Container.EphemeralContainerCommon)
	c.TerminationMessagePath = "" // a file for it is the sandbox's to keep, and there is none here
	if len(c.VolumeMounts) > 0 {
		return nil, nil, failure(http.StatusBadRequest, "ephemeral container %s: the volumes of a Pod that is a single Swarm task cannot be mounted a second time", c.Name)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: e.Pod.Name, Namespace: e.Pod.Namespace, UID: e.Pod.UID},
		Spec: corev1.PodSpec{
			NodeName:            a.options.Node,
			EphemeralContainers: []corev1.EphemeralContainer{e.Container},
		},
	}
	config, host, err := spec.New(spec.Facts{Pod: pod, Sandbox: beside.ID}, spec.Sources{}).Container(&c, imageConfig(found), 0)
	if err != nil {
		return nil, nil, failure(http.StatusBadRequest, "ephemeral container %s: %w", c.Name, err)
	}
	config.Image = c.Image
	config.Labels = map[string]string{
		manifest.LabelSandbox: beside.ID, manifest.LabelRole: manifest.RoleEphemeral, manifest.LabelContainer: c.Name,
		manifest.LabelPodName: e.Pod.Name, manifest.LabelPodNamespace: e.Pod.Namespace,
		manifest.LabelPodUID: string(e.Pod.UID), manifest.LabelAttempt: "0",
	}
	host.NetworkMode = namespaceOf(beside)
	host.PidMode = ""
	if e.Container.TargetContainerName != "" {
		host.PidMode = container.PidMode("container:" + beside.ID)
	}
	return config, host, nil
}

func imageConfig(i image.InspectResponse) spec.ImageConfig {
	c := i.Config
	if c == nil {
		return spec.ImageConfig{}
	}
	return spec.ImageConfig{
		User: c.User, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, WorkingDir: c.WorkingDir, StopSignal: c.StopSignal,
	}
}

// ephemeral are the ephemeral containers beside one: all, or that of a name.
func (a *Agent) ephemeral(ctx context.Context, beside, name string) ([]container.Summary, error) {
	args := filters.NewArgs(
		filters.Arg("label", manifest.LabelSandbox+"="+beside), filters.Arg("label", manifest.LabelRole+"="+manifest.RoleEphemeral),
	)
	if name != "" {
		args.Add("label", manifest.LabelContainer+"="+name)
	}
	list, err := a.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
	if err != nil {
		return nil, fmt.Errorf("ephemeral containers beside %s: %w", short(beside), err)
	}
	return list, nil
}
