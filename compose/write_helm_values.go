package compose

import (
	"encoding/base64"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"skep/translate"
)

// workload makes values of what runs: its images, resources, replicas, schedule and the sizes of its claims.
func (c *chart) workload(o translate.Object, tree map[string]any) {
	name := o.GetName()
	spec, _ := tree["spec"].(map[string]any)
	for i, container := range containers(o, tree) {
		path := []string{"services", name}
		if i > 0 { // its own is the first; others are those that start before it
			containerName, _ := container["name"].(string)
			path = append(path, "containers", containerName)
		}
		c.container(container, path)
	}
	if _, set := spec["replicas"]; set {
		spec["replicas"] = c.is("{{ %s }}", c.value(spec["replicas"], "services", name, "replicas"))
	}
	if schedule, set := spec["schedule"]; set {
		spec["schedule"] = c.is("{{ %s | quote }}", c.value(schedule, "services", name, "schedule"))
	}
	for _, claim := range each(spec, "volumeClaimTemplates") {
		claimName, _ := at(claim, "metadata", "name").(string)
		c.claim(name+"-"+claimName, claim)
	}
}

func (c *chart) container(container map[string]any, path []string) {
	if image, ok := container["image"].(string); ok {
		parts := parseImage(image)
		value := map[string]any{"repository": parts.repository, "tag": parts.tag, "digest": parts.digest}
		container["image"] = c.is("{{ include %q %s | quote }}", c.name+".image", c.value(value, with(path, "image")...))
	}
	resources, ok := container["resources"].(map[string]any)
	if !ok {
		resources = map[string]any{}
	}
	container["resources"] = c.marked("block", c.value(resources, with(path, "resources")...))
}

// with is a path with one key more, in memory of its own.
func with(path []string, key string) []string {
	return append(append([]string(nil), path...), key)
}

// claim makes values of a claim's size and class.
func (c *chart) claim(name string, tree map[string]any) {
	spec, _ := tree["spec"].(map[string]any)
	if requests, ok := at(spec, "resources", "requests").(map[string]any); ok && requests["storage"] != nil {
		requests["storage"] = c.is("{{ %s | quote }}", c.value(requests["storage"], "claims", name, "size"))
	}
	if spec["volumeName"] != nil {
		return // it is for one volume, whose class it has
	}
	class, set := spec["storageClassName"]
	if class == "" {
		return // which asks for no class at all, as against the cluster's default
	}
	if !set {
		class = ""
	}
	spec["storageClassName"] = c.marked("scalar", c.value(class, "claims", name, "storageClass"))
}

// secret makes values of what has to be filled in.
func (c *chart) secret(o *corev1.Secret, tree map[string]any) {
	for _, fill := range c.result.Fill {
		if fill.Kind != "Secret" || fill.Name != o.Name || fill.Key == "" || fill.Namespace != o.Namespace {
			continue
		}
		if text, ok := at(tree, "stringData", fill.Key).(string); ok {
			tree["stringData"].(map[string]any)[fill.Key] = c.is("{{ %s | quote }}", c.value(text, "secrets", o.Name, fill.Key))
		}
		encoded, _ := at(tree, "data", fill.Key).(string)
		if plain, err := base64.StdEncoding.DecodeString(encoded); err == nil && encoded != "" && utf8.Valid(plain) {
			tree["data"].(map[string]any)[fill.Key] = c.is("{{ %s | b64enc | quote }}", c.value(string(plain), "secrets", o.Name, fill.Key))
		}
	}
}

// ingress makes values of the hosts, each of which may stand in several Ingresses, and of the class.
func (c *chart) ingress(tree map[string]any) {
	host := func(name string) string {
		key := c.hosts.take("host", name, name)
		return c.is("{{ %s | quote }}", c.value(name, "ingress", "hosts", key))
	}
	spec, _ := tree["spec"].(map[string]any)
	for _, rule := range each(spec, "rules") {
		if name, ok := rule["host"].(string); ok {
			rule["host"] = host(name)
		}
	}
	for _, tls := range each(spec, "tls") {
		list, _ := tls["hosts"].([]any)
		for i, name := range list {
			if text, ok := name.(string); ok {
				list[i] = host(text)
			}
		}
	}
	if c.classes {
		class, set := spec["ingressClassName"]
		if !set {
			class = ""
		}
		spec["ingressClassName"] = c.marked("scalar", c.value(class, "ingress", "className"))
	}
}
