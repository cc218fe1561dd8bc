package gateway

import (
	"context"
	"fmt"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"skep/swarm"
	"skep/translate"
	"skep/translate/manifest"
)

// hands let the mirror reach Pods that run.
type hands struct {
	*agents
	client kubernetes.Interface
}

var _ swarm.Hands = hands{}

// Update implements swarm.Hands.
func (h hands) Update(ctx context.Context, nodeID, container string, pod translate.Key, u *manifest.Update) error {
	return h.call(ctx, nodeID, http.MethodPost, "/update/"+pod.Namespace+"/"+pod.Name+"/"+container, u, nil)
}

// ephemeral is what the agent starts beside a plain task.
type ephemeral struct {
	Container *corev1.EphemeralContainer `json:"container"`
	Pod       podName                    `json:"pod"`
}

type podName struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	UID       string `json:"uid"`
}

// StartEphemeral implements swarm.Hands.
func (h hands) StartEphemeral(ctx context.Context, nodeID, container string, pod translate.Key, uid string, c *corev1.EphemeralContainer) error {
	return h.call(ctx, nodeID, http.MethodPut, ephemeralPath(pod, container), ephemeral{c, podName{pod.Name, pod.Namespace, uid}}, nil)
}

// Ephemeral implements swarm.Hands.
func (h hands) Ephemeral(ctx context.Context, nodeID, container string, pod translate.Key) ([]corev1.ContainerStatus, error) {
	var statuses []corev1.ContainerStatus
	return statuses, h.call(ctx, nodeID, http.MethodGet, ephemeralPath(pod, container), nil, &statuses)
}

func ephemeralPath(pod translate.Key, container string) string {
	return "/ephemeral/" + pod.Namespace + "/" + pod.Name + "/" + container
}

// Token implements swarm.Hands.
func (h hands) Token(ctx context.Context, u *translate.PodUpdate, p *corev1.ServiceAccountTokenProjection) (manifest.Token, error) {
	account := u.ServiceAccount
	if account == "" {
		account = "default"
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: u.Pod.Name, UID: u.UID},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	made, err := h.client.CoreV1().ServiceAccounts(u.Pod.Namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return manifest.Token{}, fmt.Errorf("a token of the ServiceAccount %s/%s: %w", u.Pod.Namespace, account, err)
	}
	return manifest.Token{Token: made.Status.Token, Expires: made.Status.ExpirationTimestamp}, nil
}
