package translate

import (
	"github.com/docker/docker/api/types/registry"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
)

// putPullSecrets finds the registry credentials for the Pod's image: Swarm keeps them with the service and hands them to
// the nodes that pull it. A Secret that is missing or has none is passed over, as by the kubelet.
func (p *putter) putPullSecrets() {
	var found []corev1.Secret
	for _, ref := range p.pod.ImagePullSecrets {
		if s := p.src.Secret(p.id.Namespace, ref.Name); s != nil {
			found = append(found, *s)
		}
	}
	if len(found) == 0 {
		return
	}
	keys, err := secrets.MakeDockerKeyring(found, credentialprovider.UnionDockerKeyring{})
	if err != nil {
		return // what is in it is no one's to see in an error
	}
	matching, _ := keys.Lookup(p.spec.Image)
	if len(matching) == 0 {
		return
	}
	best := matching[0].AuthConfig // of the longest registry name
	p.plan.RegistryAuth, _ = registry.EncodeAuthConfig(registry.AuthConfig{
		Username: best.Username, Password: best.Password, Auth: best.Auth, ServerAddress: best.ServerAddress,
		IdentityToken: best.IdentityToken, RegistryToken: best.RegistryToken,
	})
}
