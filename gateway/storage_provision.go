package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"skep/swarm"
	"skep/translate"
)

// provisioner makes PersistentVolumes for claims. The Docker volume itself is made by the node's engine when the first
// Pod mounts it.
type provisioner struct {
	mirror  *swarm.Mirror
	nodes   corelisters.NodeLister
	volumes corelisters.PersistentVolumeLister
	docker  swarm.NodeVolumes
}

var _ controller.Provisioner = provisioner{}

// Provision implements controller.Provisioner.
func (p provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if o.PVC.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("spec.selector chooses among PersistentVolumes that are there: leave it out to have a new one")
	}
	node, state, err := p.place(o)
	if err != nil {
		return nil, state, err
	}
	return translate.ProvisionVolume(o.PVName, o.StorageClass, o.PVC, node.Labels[corev1.LabelHostname]), controller.ProvisioningFinished, nil
}

// place is the node on which a volume is to be: where the first Pod runs, else where there are fewest.
func (p provisioner) place(o controller.ProvisionOptions) (*corev1.Node, controller.ProvisioningState, error) {
	if o.SelectedNodeName != "" {
		node, err := p.nodes.Get(o.SelectedNodeName)
		if apierrors.IsNotFound(err) {
			return nil, controller.ProvisioningReschedule, fmt.Errorf("node %q has left the Swarm: %w", o.SelectedNodeName, err)
		}
		return node, controller.ProvisioningNoChange, err
	}
	nodes, err := p.nodes.List(labels.Everything())
	if err != nil {
		return nil, controller.ProvisioningNoChange, err
	}
	volumes, err := p.volumes.List(labels.Everything())
	if err != nil {
		return nil, controller.ProvisioningNoChange, err
	}
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n *corev1.Node) bool { return n.Spec.Unschedulable || !ready(n) })
	if len(nodes) == 0 {
		return nil, controller.ProvisioningNoChange, fmt.Errorf("no node is ready and takes new Pods")
	}
	have := map[string]int{}
	for _, pv := range volumes {
		for _, host := range translate.PinnedTo(pv) {
			if pv.Spec.ClaimRef != nil {
				have[host]++
			}
		}
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int {
		return cmp.Or(cmp.Compare(have[a.Labels[corev1.LabelHostname]], have[b.Labels[corev1.LabelHostname]]), cmp.Compare(a.Name, b.Name))
	})
	return nodes[0], controller.ProvisioningFinished, nil
}

func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// releasing is how long the engine may take to remove the container of a Pod that is gone.
var releasing = wait.Backoff{Duration: 500 * time.Millisecond, Factor: 1.5, Steps: 8}

// Delete implements controller.Provisioner: the data goes with the volume, unless the volume was there before the claim.
// The engine refuses while a container has it; then it is tried again.
func (p provisioner) Delete(ctx context.Context, pv *corev1.PersistentVolume) error {
	name := translate.VolumeHandle(pv)
	if name == "" || pv.Spec.ClaimRef == nil {
		return nil
	}
	var made bool
	err := retry.OnError(releasing, errdefs.IsConflict, func() (err error) {
		made, err = p.mirror.RemoveVolume(ctx, p.docker, name, string(pv.Spec.ClaimRef.UID), translate.PinnedTo(pv))
		return err
	})
	if err == nil && !made {
		klog.InfoS("A Docker volume is older than the claim that had it, and stays", "volume", name, "persistentVolume", pv.Name)
	}
	return err
}
