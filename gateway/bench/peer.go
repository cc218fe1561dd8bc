package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
)

// peerVersion is that of k8s.io/kubernetes in go.mod; without it kube-apiserver calls itself v0.0.0-master.
const peerVersion = "v1.37.2"

// Peer is kube-apiserver over etcd with their defaults: RBAC, the default admission plug-ins, no audit log. No
// controllers run. Its way to etcd is without TLS, which is cheaper than what kubeadm sets up.
type Peer struct {
	*Client
	APIServer, Etcd *Process
}

// StartPeer builds the peer into bin/ (minutes the first time, then nothing) and starts it in dir. The flags are more
// of kube-apiserver's.
func StartPeer(ctx context.Context, dir string, flags ...string) (*Peer, error) {
	etcd, apiserver, err := buildPeer(ctx)
	if err != nil {
		return nil, err
	}
	files, err := writePKI(dir)
	if err != nil {
		return nil, err
	}
	ports := [3]int{}
	for i := range ports {
		if ports[i], err = FreePort(); err != nil {
			return nil, err
		}
	}
	peer := &Peer{}
	store := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	if peer.Etcd, err = Start(filepath.Join(dir, "etcd.log"), etcd,
		"-dir", filepath.Join(dir, "etcd"), "-client", store, "-peer", fmt.Sprintf("http://127.0.0.1:%d", ports[1])); err != nil {
		return nil, err
	}
	if peer.APIServer, err = Start(filepath.Join(dir, "kube-apiserver.log"), apiserver, append(flags,
		"--etcd-servers="+store,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
		"--endpoint-reconciler-type=none", // it refuses to publish a loopback address
		"--tls-cert-file="+files.server, "--tls-private-key-file="+files.serverKey,
		"--client-ca-file="+files.ca, "--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://peer", "--service-account-key-file="+files.serviceAccountKey,
		"--service-account-signing-key-file="+files.serviceAccountKey,
	)...); err != nil {
		peer.Stop()
		return nil, err
	}
	peer.Client, err = NewKubernetesClient(&rest.Config{
		Host:            fmt.Sprintf("https://127.0.0.1:%d", ports[2]),
		TLSClientConfig: rest.TLSClientConfig{CAFile: files.ca, CertFile: files.admin, KeyFile: files.adminKey},
	})
	if err != nil {
		peer.Stop()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := peer.APIServer.Await(ctx, peer.ready); err != nil {
		peer.Stop()
		return nil, err
	}
	return peer, nil
}

// Stop ends both programs.
func (p *Peer) Stop() {
	if p.APIServer != nil {
		p.APIServer.Stop()
	}
	if p.Etcd != nil {
		p.Etcd.Stop()
	}
}

// buildPeer leaves binaries in bin/ of this module, where go build sees that they are up to date.
func buildPeer(ctx context.Context) (etcd, apiserver string, err error) {
	module, err := Module()
	if err != nil {
		return "", "", err
	}
	bin := filepath.Join(module, "bin")
	etcd, apiserver = filepath.Join(bin, "etcd"), filepath.Join(bin, "kube-apiserver")
	for _, args := range [][]string{
		{"-o", etcd, "./etcd"},
		{
			"-o", apiserver, "-ldflags", "-X k8s.io/component-base/version.gitVersion=" + peerVersion,
			"k8s.io/kubernetes/cmd/kube-apiserver",
		},
	} {
		build := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
		build.Dir, build.Stderr = module, os.Stderr
		if err := build.Run(); err != nil {
			return "", "", fmt.Errorf("%v: %w", build.Args, err)
		}
	}
	return etcd, apiserver, nil
}
