package gateway

import (
	"context"
	"fmt"

	apiserverapi "k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/path"
	"k8s.io/apiserver/pkg/authorization/union"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
	kubeauthenticator "k8s.io/kubernetes/pkg/kubeapiserver/authenticator"
)

// adminGroup is Kubernetes' own group of those who may do all.
const adminGroup = "system:masters"

// openPaths answer without a name; everything else asks who is there.
var openPaths = []string{"/livez", "/readyz", "/version"}

// authentication is by client certificate of our CA, or by bearer token, of an administrator or a ServiceAccount.
func authentication(ctx context.Context, ca dynamiccertificates.CAContentProvider, tokenFile string, accounts *serviceTokens) (authenticator.Request, error) {
	conditions := make([]apiserverapi.AnonymousAuthCondition, 0, len(openPaths))
	for _, p := range openPaths {
		conditions = append(conditions, apiserverapi.AnonymousAuthCondition{Path: p})
	}
	config := kubeauthenticator.Config{
		Anonymous:               apiserverapi.AnonymousAuthConfig{Enabled: true, Conditions: conditions},
		ClientCAContentProvider: ca,
		TokenAuthFile:           tokenFile,
	}
	if err := accounts.authenticate(&config); err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	request, _, _, _, err := config.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	return request, nil
}

// identify has the server know who asks, and what they may; it returns what knows ServiceAccounts.
func identify(ctx context.Context, config *genericapiserver.Config, c *Credentials, ca dynamiccertificates.CAContentProvider, domain string) (*serviceTokens, error) {
	authz, err := authorization()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return nil, err
	}
	sealing, err := c.SealingKey()
	if err != nil {
		return nil, err
	}
	accounts, err := newServiceTokens(sealing, domain, client, authz)
	if err != nil {
		return nil, err
	}
	config.Authorization.Authorizer = authz
	config.Authentication.APIAudiences = authenticator.Audiences{accounts.issuer}
	config.Authentication.Authenticator, err = authentication(ctx, ca, c.path(tokensFile), accounts)
	return accounts, err
}

// authorization lets administrators do all, and everyone see whether skep is well.
func authorization() (authorizer.Authorizer, error) {
	open, err := path.NewAuthorizer(openPaths)
	if err != nil {
		return nil, fmt.Errorf("authorization: %w", err)
	}
	return union.New(
		union.NamedAuthorizer{Authorizer: authorizerfactory.NewPrivilegedGroups(adminGroup), AuthorizerName: "administrators"},
		union.NamedAuthorizer{Authorizer: open, AuthorizerName: "open-paths"},
	)
}
