package gateway

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	api "k8s.io/kubernetes/pkg/apis/core"
	kubeauthenticator "k8s.io/kubernetes/pkg/kubeapiserver/authenticator"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

// TestServiceTokens: every gateway with the same key for Secrets knows a ServiceAccount's token, as long as the account is
// there, and no other gateway does.
func TestServiceTokens(t *testing.T) {
	account := metav1.ObjectMeta{Namespace: "shop", Name: "builder", UID: "1"}
	there := fake.NewClientset(&corev1.ServiceAccount{ObjectMeta: account})
	ours, others := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	mine, err := newServiceTokens(ours, "cluster.local", there, nil)
	if err != nil {
		t.Fatal(err)
	}
	generator, err := serviceaccount.JWTTokenGenerator(mine.issuer, mine.key)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := serviceaccount.Claims(api.ServiceAccount{ObjectMeta: account}, nil, nil, nil, nil, nil, 600, 0, []string{mine.issuer}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := generator.GenerateToken(t.Context(), public, private)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		about  string
		key    []byte
		client *fake.Clientset
		known  bool
	}{
		{"the same key", ours, there, true},
		{"another key", others, there, false},
		{"the account is gone", ours, fake.NewClientset(), false},
	} {
		tokens, err := newServiceTokens(c.key, "cluster.local", c.client, nil)
		if err != nil {
			t.Fatal(err)
		}
		config := kubeauthenticator.Config{TokenSuccessCacheTTL: time.Second}
		if err := tokens.authenticate(&config); err != nil {
			t.Fatal(err)
		}
		request, _, _, _, err := config.New(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://skep/api", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		who, known, err := request.AuthenticateRequest(r)
		if known != c.known || known && who.User.GetName() != "system:serviceaccount:shop:builder" {
			t.Errorf("%s: known %v as %v, error %v", c.about, known, who, err)
		}
	}
}
