package spec

import (
	"errors"
	"fmt"
	"maps"
	"path"

	corev1 "k8s.io/api/core/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/pkg/fieldpath"

	"skep/translate/manifest"
)

// file is one to be written into a volume; user nil: root's.
type file struct {
	data []byte
	mode int32
	user *int64
}

// payload is what a volume is to hold, by path.
type payload map[string]file

// defaults are those of a volume for its files.
type defaults struct {
	mode int32
	user *int64
}

// of is a file with the mode and the user of an item where it has them.
func (d defaults) of(data []byte, mode *int32, user *int64) file {
	if user == nil {
		user = d.user
	}
	return file{data: data, mode: deref(mode, d.mode), user: user}
}

const defaultMode = 0o644

// payload collects what belongs into a volume. nil without an error: nothing is written into volumes of this kind.
func (p *Pod) payload(v *corev1.Volume) (payload, error) {
	switch {
	case v.ConfigMap != nil:
		d := defaults{deref(v.ConfigMap.DefaultMode, defaultMode), v.ConfigMap.DefaultUser}
		return p.configMapFiles(v.ConfigMap.Name, v.ConfigMap.Optional, v.ConfigMap.Items, d)
	case v.Secret != nil:
		d := defaults{deref(v.Secret.DefaultMode, defaultMode), v.Secret.DefaultUser}
		return p.secretFiles(v.Secret.SecretName, v.Secret.Optional, v.Secret.Items, d)
	case v.DownwardAPI != nil:
		d := defaults{deref(v.DownwardAPI.DefaultMode, defaultMode), v.DownwardAPI.DefaultUser}
		return p.downwardFiles(v.DownwardAPI.Items, d)
	case v.Projected != nil:
		return p.projectedFiles(v.Projected)
	}
	return nil, nil
}

func (p *Pod) configMapFiles(name string, optional *bool, items []corev1.KeyToPath, d defaults) (payload, error) {
	configMap, err := p.configMap(name, optional)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	maps.Copy(data, configMap.BinaryData)
	for key, value := range configMap.Data {
		data[key] = []byte(value)
	}
	return keyFiles(data, items, d, optional, "configmap references non-existent config key: %s")
}

func (p *Pod) secretFiles(name string, optional *bool, items []corev1.KeyToPath, d defaults) (payload, error) {
	secret, err := p.secret(name, optional)
	if err != nil {
		return nil, err
	}
	return keyFiles(secret.Data, items, d, optional, "references non-existent secret key: %s")
}

// keyFiles lays out the keys of an object: all of them, or the items only.
func keyFiles(data map[string][]byte, items []corev1.KeyToPath, d defaults, optional *bool, missing string) (payload, error) {
	files := payload{}
	if len(items) == 0 {
		for key, value := range data {
			files[key] = d.of(value, nil, nil)
		}
		return files, nil
	}
	for _, item := range items {
		value, found := data[item.Key]
		if !found && !deref(optional, false) {
			return nil, fmt.Errorf(missing, item.Key)
		}
		if found {
			files[item.Path] = d.of(value, item.Mode, item.User)
		}
	}
	return files, nil
}

func (p *Pod) downwardFiles(items []corev1.DownwardAPIVolumeFile, d defaults) (payload, error) {
	files := payload{}
	var failed []error
	for i := range items {
		item := &items[i]
		var text string
		var err error
		switch {
		case item.FieldRef != nil:
			text, err = fieldpath.ExtractFieldPathAsString(p.pod, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			text, err = p.resourceOfNamed(item.ResourceFieldRef, p.facts.Node)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		files[path.Clean(item.Path)] = d.of([]byte(text), item.Mode, item.User)
	}
	return files, utilerrors.NewAggregate(failed)
}

// projectedFiles puts the sources over each other, the later over the earlier.
func (p *Pod) projectedFiles(v *corev1.ProjectedVolumeSource) (payload, error) {
	d := defaults{deref(v.DefaultMode, defaultMode), v.DefaultUser}
	files := payload{}
	var failed []error
	for i := range v.Sources {
		some, err := p.sourceFiles(&v.Sources[i], d)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		maps.Copy(files, some)
	}
	return files, utilerrors.NewAggregate(failed)
}

func (p *Pod) sourceFiles(s *corev1.VolumeProjection, d defaults) (payload, error) {
	switch {
	case s.ConfigMap != nil:
		return p.configMapFiles(s.ConfigMap.Name, s.ConfigMap.Optional, s.ConfigMap.Items, d)
	case s.Secret != nil:
		return p.secretFiles(s.Secret.Name, s.Secret.Optional, s.Secret.Items, d)
	case s.DownwardAPI != nil:
		return p.downwardFiles(s.DownwardAPI.Items, d)
	case s.ServiceAccountToken != nil:
		return p.tokenFile(s.ServiceAccountToken, d)
	}
	return nil, errors.New("projected volumes of this source are not supported: configMap, secret, downwardAPI and serviceAccountToken are")
}

// tokenFile belongs to the one user that all containers run as, if there is one; then, and with an fsGroup, to nobody else.
func (p *Pod) tokenFile(s *corev1.ServiceAccountTokenProjection, d defaults) (payload, error) {
	token, found := p.sources.Tokens[manifest.TokenKey(s)]
	if !found {
		return nil, fmt.Errorf("failed to fetch token: there is none of service account %q for audience %q",
			p.pod.Spec.ServiceAccountName, s.Audience)
	}
	f := d.of([]byte(token.Token), nil, s.User)
	if f.user == nil {
		f.user = soleUser(p.pod)
	}
	if f.user != nil || p.fsGroup() != nil {
		f.mode = 0o600
	}
	return payload{s.Path: f}, nil
}

// soleUser is the user that each container of the Pod is set to run as; nil where they differ or one does not say.
func soleUser(pod *corev1.Pod) *int64 {
	var sole *int64
	for _, c := range containers(pod) {
		user := effective(pod, c).RunAsUser
		if user == nil || sole != nil && *sole != *user {
			return nil
		}
		sole = user
	}
	return sole
}
