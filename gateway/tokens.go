package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	kubeauthenticator "k8s.io/kubernetes/pkg/kubeapiserver/authenticator"
	serviceaccountstore "k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

// longestToken is how long a token of a ServiceAccount is good for at most.
const longestToken = 24 * time.Hour

// serviceTokens makes and knows the tokens of ServiceAccounts, by kube-apiserver's own code. Every gateway of a Swarm
// knows those of the others: they have the same key.
type serviceTokens struct {
	issuer     string
	key        *ecdsa.PrivateKey
	client     kubernetes.Interface
	authorizer authorizer.Authorizer
}

// newServiceTokens takes the key for Secrets, which all gateways of a Swarm share, and makes one for tokens of it.
func newServiceTokens(sealing []byte, domain string, client kubernetes.Interface, authz authorizer.Authorizer) (*serviceTokens, error) {
	key, err := tokenKey(sealing)
	if err != nil {
		return nil, fmt.Errorf("the key for the tokens of ServiceAccounts: %w", err)
	}
	return &serviceTokens{issuer: "https://kubernetes.default.svc." + domain, key: key, client: client, authorizer: authz}, nil
}

// tokenKey is always the same for the same secret. Of 2^32 secrets one gives no key at the first try.
func tokenKey(secret []byte) (*ecdsa.PrivateKey, error) {
	var err error
	for try := range 4 {
		var scalar []byte
		if scalar, err = hkdf.Key(sha256.New, secret, nil, fmt.Sprintf("skep tokens of ServiceAccounts %d", try), 32); err != nil {
			return nil, err
		}
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar); err == nil {
			return key, nil
		}
	}
	return nil, err
}

// authenticate adds what is needed to know the tokens. A token is good as long as its ServiceAccount is there, and the
// Pod, Secret or Node that it is bound to.
func (t *serviceTokens) authenticate(config *kubeauthenticator.Config) error {
	keys, err := serviceaccount.StaticPublicKeysGetter([]any{&t.key.PublicKey})
	if err != nil {
		return err
	}
	config.ServiceAccountPublicKeysGetter, config.ServiceAccountIssuers = keys, []string{t.issuer}
	config.ServiceAccountLookup, config.ServiceAccountTokenGetter = true, bound{t.client}
	config.SecretsWriter = t.client.CoreV1() // only for tokens of old, in Secrets; demanded all the same
	config.APIAudiences, config.TokenSuccessCacheTTL = authenticator.Audiences{t.issuer}, 10*time.Second
	return nil
}

// storage is the ServiceAccounts' registry, with the subresource that makes tokens.
func (t *serviceTokens) storage(b *builder) (map[string]rest.Storage, error) {
	generator, err := serviceaccount.JWTTokenGenerator(t.issuer, t.key)
	if err != nil {
		return nil, err
	}
	s, err := serviceaccountstore.NewREST(b, generator, authenticator.Audiences{t.issuer}, t.authorizer, longestToken,
		getter(func(ctx context.Context, namespace, name string) (runtime.Object, error) {
			return t.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		}),
		getter(func(ctx context.Context, namespace, name string) (runtime.Object, error) {
			return t.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		}),
		getter(func(ctx context.Context, _, name string) (runtime.Object, error) {
			return t.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		}),
		noWebhook[*admissionregistrationv1.ValidatingWebhookConfiguration]{}, noWebhook[*admissionregistrationv1.MutatingWebhookConfiguration]{}, false, 0)
	if err != nil {
		return nil, err
	}
	return map[string]rest.Storage{"": s, "/token": s.Token}, nil
}

// getter reads an object as a registry does, in its internal version, by asking the server itself.
type getter func(ctx context.Context, namespace, name string) (runtime.Object, error)

var _ rest.Getter = getter(nil)

// Get implements rest.Getter.
func (g getter) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	object, err := g(ctx, request.NamespaceValue(ctx), name)
	if err != nil {
		return nil, err
	}
	return legacyscheme.Scheme.ConvertToVersion(object, runtime.InternalGroupVersioner)
}

// bound looks up what tokens are bound to.
type bound struct{ client kubernetes.Interface }

var _ serviceaccount.ServiceAccountTokenGetter = bound{}

// GetServiceAccount implements serviceaccount.ServiceAccountTokenGetter, as do all that follow.
func (b bound) GetServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return b.client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
}

// GetPod returns a Pod.
func (b bound) GetPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return b.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
}

// GetSecret returns a Secret.
func (b bound) GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return b.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

// GetNode returns a Node.
func (b bound) GetNode(ctx context.Context, name string) (*corev1.Node, error) {
	return b.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
}

// GetValidatingWebhookConfiguration finds none.
func (bound) GetValidatingWebhookConfiguration(ctx context.Context, name string) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	return noWebhook[*admissionregistrationv1.ValidatingWebhookConfiguration]{}.Get(ctx, name, metav1.GetOptions{})
}

// GetMutatingWebhookConfiguration finds none.
func (bound) GetMutatingWebhookConfiguration(ctx context.Context, name string) (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	return noWebhook[*admissionregistrationv1.MutatingWebhookConfiguration]{}.Get(ctx, name, metav1.GetOptions{})
}

// noWebhook are the webhooks of a kind to which tokens can be bound: skep calls none.
type noWebhook[T any] struct{}

// Get returns an error in every case.
func (noWebhook[T]) Get(_ context.Context, name string, _ metav1.GetOptions) (T, error) {
	var none T
	return none, apierrors.NewNotFound(schema.GroupResource{Group: admissionregistrationv1.GroupName, Resource: "webhookconfigurations"}, name)
}
