package engine

import (
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/daemon/cluster/convert"
	"github.com/moby/swarmkit/v2/api"
)

// GetConfigs returns the configs that match, with their data.
func (e *engine) GetConfigs(options swarm.ConfigListOptions) ([]swarm.Config, error) {
	f := options.Filters
	if err := accept(f, "name", "id", "label"); err != nil {
		return nil, err
	}
	response, err := call(e.control.ListConfigs, &api.ListConfigsRequest{Filters: &api.ListConfigsRequest_Filters{
		NamePrefixes: f.Get("name"),
		IDPrefixes:   f.Get("id"),
		Labels:       pairs(f, "label"),
	}})
	if err != nil {
		return nil, err
	}
	result := make([]swarm.Config, 0, len(response.Configs))
	for _, config := range response.Configs {
		result = append(result, convert.ConfigFromGRPC(config))
	}
	return result, nil
}

// GetConfig returns a config by ID, name or start of the ID.
func (e *engine) GetConfig(term string) (swarm.Config, error) {
	config, err := configs.find(e.Store(), term)
	if err != nil {
		return swarm.Config{}, err
	}
	return convert.ConfigFromGRPC(config), nil
}

// CreateConfig returns the new config's ID.
func (e *engine) CreateConfig(spec swarm.ConfigSpec) (string, error) {
	wanted := convert.ConfigSpecToGRPC(spec)
	response, err := call(e.control.CreateConfig, &api.CreateConfigRequest{Spec: &wanted})
	if err != nil {
		return "", err
	}
	return response.Config.ID, nil
}

// UpdateConfig replaces a config's labels, all of it that may change.
func (e *engine) UpdateConfig(term string, version uint64, spec swarm.ConfigSpec) error {
	config, err := configs.find(e.Store(), term)
	if err != nil {
		return err
	}
	wanted := convert.ConfigSpecToGRPC(spec)
	_, err = call(e.control.UpdateConfig, &api.UpdateConfigRequest{
		ConfigID:      config.ID,
		ConfigVersion: &api.Version{Index: version},
		Spec:          &wanted,
	})
	return err
}

// RemoveConfig removes a config that no service uses.
func (e *engine) RemoveConfig(term string) error {
	config, err := configs.find(e.Store(), term)
	if err != nil {
		return err
	}
	_, err = call(e.control.RemoveConfig, &api.RemoveConfigRequest{ConfigID: config.ID})
	return err
}
