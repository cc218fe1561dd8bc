package engine

import (
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/daemon/cluster/convert"
	"github.com/moby/swarmkit/v2/api"
)

// GetSecrets returns the secrets that match, without their data.
func (e *engine) GetSecrets(options swarm.SecretListOptions) ([]swarm.Secret, error) {
	f := options.Filters
	if err := accept(f, "names", "name", "id", "label"); err != nil {
		return nil, err
	}
	response, err := call(e.control.ListSecrets, &api.ListSecretsRequest{Filters: &api.ListSecretsRequest_Filters{
		Names:        f.Get("names"),
		NamePrefixes: f.Get("name"),
		IDPrefixes:   f.Get("id"),
		Labels:       pairs(f, "label"),
	}})
	if err != nil {
		return nil, err
	}
	result := make([]swarm.Secret, 0, len(response.Secrets))
	for _, secret := range response.Secrets {
		result = append(result, convert.SecretFromGRPC(secret))
	}
	return result, nil
}

// GetSecret returns a secret by ID, name or start of the ID, without its data.
func (e *engine) GetSecret(term string) (swarm.Secret, error) {
	secret, err := secrets.find(e.Store(), term)
	if err != nil {
		return swarm.Secret{}, err
	}
	secret.Spec.Data = nil // found in the store itself, which is not shy
	return convert.SecretFromGRPC(secret), nil
}

// CreateSecret returns the new secret's ID.
func (e *engine) CreateSecret(spec swarm.SecretSpec) (string, error) {
	wanted := convert.SecretSpecToGRPC(spec)
	response, err := call(e.control.CreateSecret, &api.CreateSecretRequest{Spec: &wanted})
	if err != nil {
		return "", err
	}
	return response.Secret.ID, nil
}

// UpdateSecret replaces a secret's labels, all of it that may change.
func (e *engine) UpdateSecret(term string, version uint64, spec swarm.SecretSpec) error {
	secret, err := secrets.find(e.Store(), term)
	if err != nil {
		return err
	}
	wanted := convert.SecretSpecToGRPC(spec)
	_, err = call(e.control.UpdateSecret, &api.UpdateSecretRequest{
		SecretID:      secret.ID,
		SecretVersion: &api.Version{Index: version},
		Spec:          &wanted,
	})
	return err
}

// RemoveSecret removes a secret that no service uses.
func (e *engine) RemoveSecret(term string) error {
	secret, err := secrets.find(e.Store(), term)
	if err != nil {
		return err
	}
	_, err = call(e.control.RemoveSecret, &api.RemoveSecretRequest{SecretID: secret.ID})
	return err
}
