package compose

import (
	"skep/translate"
)

// Options are what a person decides about a conversion.
type Options struct {
	// Namespace is that of all objects; "" leaves it to whoever applies them.
	Namespace string
	// Publish is how published ports are reached: PublishLoadBalancer, PublishNodePort or PublishIngress.
	Publish Publish
	// IngressClass is the class of Ingresses; "" for the cluster's default.
	IngressClass string
	// Host is the host name of Ingresses that are made of published ports; "" for any.
	Host string
	// VolumeSize is the size of claims that nothing gives one, a quantity.
	VolumeSize string
	// StorageClass is that of claims; "" for the cluster's default.
	StorageClass string
	// NetworkPolicies makes Compose's networks NetworkPolicies: a service is reached from its networks only.
	NetworkPolicies bool
	// Project reads the files of the project that a bind mount names; nil where nothing may be read. What it does not
	// find is a hostPath.
	Project ProjectFiles
}

// ProjectFiles are the files below a project's directory.
type ProjectFiles interface {
	// Read returns the files at or below a relative path, by their path below it ("" for a file itself). found is false
	// where there is nothing, or nothing that may be read.
	Read(path string) (files map[string][]byte, found bool, err error)
}

// Publish is how published ports are reached from outside.
type Publish string

// The ways.
const (
	PublishLoadBalancer Publish = "loadbalancer"
	PublishNodePort     Publish = "nodeport"
	PublishIngress      Publish = "ingress"
)

// Result is what a stack became.
type Result struct {
	Name     string
	Objects  []translate.Object // in an order that applies cleanly, each with its TypeMeta
	Findings []Finding
	// Fill is what has to be filled in by hand before the objects can be used.
	Fill []Fill
}

// Fill is a value that nobody could know.
type Fill struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Key       string `json:"key,omitempty"`
	Reason    string `json:"reason"`
}

// Annotations and labels on all that is made of a stack.
const (
	// AnnotationFrom says which key of which file an object came from.
	AnnotationFrom = "skep/from"
	// LabelName, LabelPartOf and LabelManagedBy are Kubernetes' recommended labels.
	LabelName      = "app.kubernetes.io/name"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	managedBy      = "skep-convert"
)
