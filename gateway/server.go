package gateway

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	extensionsopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/sets"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/apiserver/pkg/server/options"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/component-base/compatibility"
	"k8s.io/klog/v2"
	openapicommon "k8s.io/kube-openapi/pkg/common"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/capabilities"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/generated/openapi"
	metricskinds "k8s.io/metrics/pkg/apis/metrics/install"

	"skep/swarm"
	"skep/translate"
)

// KubernetesVersion is the version of the API machinery that skep is built with, and what it answers as.
const KubernetesVersion = "1.37.2"

// Options are what skep serve is started with.
type Options struct {
	Listen      string // host:port
	DataDir     string
	Kubeconfig  string // written once skep is ready; empty: not
	Context     string
	ExtraHosts  []string // more names and addresses for the serving certificate
	Swarm       swarm.Options
	Networking  translate.Networking
	ServiceMode ServiceMode
	AgentPort   int           // of the agents on the Swarm's other nodes
	GracePeriod time.Duration // for what is under way when asked to stop
}

// ServiceMode says how the names of Services answer.
type ServiceMode string

// The modes of --service-mode.
const (
	ServiceModeAuto       ServiceMode = "auto"  // virtual IPs, unless this machine's kernel has none
	ServiceModeVIP        ServiceMode = "vip"   // virtual IPs and the routing mesh
	ServiceModeRoundRobin ServiceMode = "dnsrr" // the tasks' addresses, and ports of the nodes
)

// networking is what the gateway goes by on this Swarm.
func networking(o Options, engine *swarm.Engine) (translate.Networking, error) {
	n := o.Networking
	n.QuickHealth = engine.QuickHealth()
	if _, err := netip.ParsePrefix(n.CIDR); err != nil {
		return n, fmt.Errorf("--network-cidr: %w", err)
	}
	switch o.ServiceMode {
	case ServiceModeVIP:
	case ServiceModeRoundRobin:
		n.RoundRobin = true
	case ServiceModeAuto, "":
		if n.RoundRobin = engine.LacksIPVS(); n.RoundRobin {
			klog.InfoS("This kernel has no IPVS, so Swarm has neither virtual IPs nor the routing mesh here: names of Services answer with the "+
				"addresses of their tasks, and ports are published on the nodes that run them. --service-mode vip or dnsrr decides it", "serviceMode", ServiceModeRoundRobin)
		}
	default:
		return n, fmt.Errorf("--service-mode %q: there is auto, vip and dnsrr", o.ServiceMode)
	}
	return n, nil
}

// Serve runs the gateway until the context ends.
func Serve(ctx context.Context, o Options) error {
	host, port, err := listenAddress(o.Listen)
	if err != nil {
		return err
	}
	engine, err := swarm.Connect(ctx, o.Swarm)
	if err != nil {
		return err
	}
	defer engine.Close()
	credentials, err := OpenCredentials(o.DataDir, append(certificateHosts(host), o.ExtraHosts...))
	if err != nil {
		return err
	}
	key, err := credentials.SealingKey()
	if err != nil {
		return err
	}
	sealer, err := swarm.NewSealer(key)
	if err != nil {
		return err
	}
	mirror := swarm.NewMirror(sealer)
	if mirror.Networking, err = networking(o, engine); err != nil {
		return err
	}
	ca, err := os.ReadFile(credentials.path(caCertFile))
	if err != nil {
		return fmt.Errorf("the CA certificate: %w", err)
	}
	mirror.ClusterCA = string(ca)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		mirror.APIPort = int32(port)
	}
	server, err := newServer(ctx, o, host, port, credentials, engine, mirror)
	if err != nil {
		return err
	}
	feed, stop := context.WithCancel(context.Background())
	defer stop()
	go mirror.Follow(feed, engine)
	go giveBack(feed)
	if o.Kubeconfig != "" {
		config, err := credentials.Kubeconfig(serverURL(host, port), o.Context)
		if err != nil {
			return err
		}
		if err := MergeKubeconfig(o.Kubeconfig, config); err != nil {
			return err
		}
	}
	return server.PrepareRun().RunWithContext(ctx)
}

func listenAddress(listen string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("--listen %q is not host:port: %w", listen, err)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("--listen %q: %q is no port", listen, p)
	}
	return host, port, nil
}

// serverURL is where clients on this machine reach skep.
func serverURL(host string, port int) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// certificateHosts are the names under which skep may be asked for.
func certificateHosts(listen string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1", "skep", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	if ip := net.ParseIP(listen); listen != "" && (ip == nil || !ip.IsUnspecified() && !ip.IsLoopback()) {
		hosts = append(hosts, listen)
	}
	return hosts
}

// newServer puts the API server together: Kubernetes' own but for where it keeps things.
func newServer(ctx context.Context, o Options, host string, port int, c *Credentials, engine *swarm.Engine, mirror *swarm.Mirror) (*genericapiserver.GenericAPIServer, error) {
	// Swarm has stop signals, so the field is taken: without its gate upstream would drop it silently.
	if err := utilfeature.DefaultMutableFeatureGate.Set(string(features.ContainerStopSignals) + "=true"); err != nil {
		return nil, err
	}
	capabilities.Setup(true, 0) // privileged containers, as kube-apiserver --allow-privileged
	config := genericapiserver.NewConfig(legacyscheme.Codecs)
	config.EffectiveVersion = compatibility.NewEffectiveVersionFromString(KubernetesVersion, "", "")
	config.ExternalAddress = net.JoinHostPort(host, strconv.Itoa(port))
	config.EnableProfiling = true // for administrators, as all else
	config.LongRunningFunc = filters.BasicLongRunningRequestCheck(
		sets.NewString("watch", "proxy"), sets.NewString("attach", "exec", "proxy", "log", "portforward"))
	config.ShutdownWatchTerminationGracePeriod = o.GracePeriod
	config.RequestTimeout = time.Minute
	if err := secure(config, host, port, c); err != nil {
		return nil, err
	}
	ca, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca", c.path(caCertFile))
	if err != nil {
		return nil, fmt.Errorf("the CA certificate: %w", err)
	}
	config.SecureServing.ClientCA = ca
	accounts, err := identify(ctx, config, c, ca, mirror.Networking.Domain)
	if err != nil {
		return nil, err
	}
	client := accounts.client
	// Beside Kubernetes' own kinds there is the list of custom ones, which is empty, and what metrics-server has.
	extensions.Install(legacyscheme.Scheme)
	metricskinds.Install(legacyscheme.Scheme)
	definitions := func(ref openapicommon.ReferenceCallback) map[string]openapicommon.OpenAPIDefinition {
		all := extensionsopenapi.GetOpenAPIDefinitions(ref)
		maps.Copy(all, openapi.GetOpenAPIDefinitions(ref))
		return all
	}
	namer := openapinamer.NewDefinitionNamer(legacyscheme.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIConfig.Info.Title = "Kubernetes"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.OpenAPIV3Config.Info.Title = "Kubernetes"
	config.ReadyzChecks = append(config.ReadyzChecks, healthz.NamedCheck("swarm", func(*http.Request) error { return mirror.Ready() }))

	factory := informers.NewSharedInformerFactory(client, 0)
	if config.AdmissionControl, err = admissionChain(client, factory, mirror.Networking); err != nil {
		return nil, err
	}
	server, err := config.Complete(factory).New("skep", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}
	b := newBuilder(engine, mirror, config.Authorization.Authorizer)
	b.accounts = accounts
	b.agents, b.client = newAgents(o, engine, mirror, c), client
	b.usages = newUsages(b.agents)
	if err := install(server, b); err != nil {
		return nil, err
	}
	server.AddPostStartHookOrDie("skep-controllers", func(hook genericapiserver.PostStartHookContext) error {
		if err := mirror.WaitSynced(hook); err != nil {
			return err
		}
		return startControllers(hook, client, config.LoopbackClientConfig, factory, b)
	})
	server.AddPostStartHookOrDie("skep-encodings", func(hook genericapiserver.PostStartHookContext) error {
		go b.kept.run(hook)
		return nil
	})
	server.Handler.NonGoRestfulMux.Handle(convertPath, newConversions().handler())
	server.Handler.FullHandlerChain = front(server.Handler.FullHandlerChain)
	return server, nil
}

// secure sets up TLS, and a way for the server to call itself.
func secure(config *genericapiserver.Config, host string, port int, c *Credentials) error {
	serving := options.NewSecureServingOptions()
	serving.BindAddress, serving.BindPort = net.ParseIP(host), port
	if serving.BindAddress == nil {
		ips, err := net.LookupIP(host)
		if err != nil && host != "" {
			return fmt.Errorf("--listen: %w", err)
		}
		serving.BindAddress = net.IPv4zero
		if len(ips) > 0 {
			serving.BindAddress = ips[0]
		}
	}
	serving.ServerCert.CertKey = options.CertKey{CertFile: c.path(serverCertFile), KeyFile: c.path(serverKeyFile)}
	loopback := serving.WithLoopback()
	if err := loopback.ApplyToConfig(config); err != nil {
		if utilnet.IsConnectionRefused(err) {
			return err
		}
		return fmt.Errorf("skep cannot listen on %s: %w", config.ExternalAddress, err)
	}
	config.LoopbackClientConfig.ContentType = "application/vnd.kubernetes.protobuf"
	config.LoopbackClientConfig.DisableCompression = true
	return nil
}

// install serves every row of the table.
func install(server *genericapiserver.GenericAPIServer, b *builder) error {
	groups := map[string]*genericapiserver.APIGroupInfo{}
	var order []string
	for _, r := range Resources {
		info := groups[r.GVR.Group]
		if info == nil {
			made := genericapiserver.NewDefaultAPIGroupInfo(r.GVR.Group, legacyscheme.Scheme, legacyscheme.ParameterCodec, legacyscheme.Codecs)
			made.NegotiatedSerializer = listCodecs{made.NegotiatedSerializer, b.kept, sealedKinds()}
			info = &made
			groups[r.GVR.Group] = info
			order = append(order, r.GVR.Group)
		}
		if info.VersionedResourcesStorageMap[r.GVR.Version] == nil {
			info.VersionedResourcesStorageMap[r.GVR.Version] = map[string]rest.Storage{}
		}
		parts, err := r.storage(b)
		if err != nil {
			return fmt.Errorf("%s: %w", r.GVR, err)
		}
		for suffix, s := range parts {
			info.VersionedResourcesStorageMap[r.GVR.Version][r.GVR.Resource+suffix] = s
		}
	}
	for _, g := range order {
		info := groups[g]
		info.PrioritizedVersions = served(info)
		if g == "" {
			if err := server.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, info); err != nil {
				return err
			}
			continue
		}
		if err := server.InstallAPIGroup(info); err != nil {
			return err
		}
	}
	return nil
}

// served are the versions of a group that the table has rows for.
func served(info *genericapiserver.APIGroupInfo) []schema.GroupVersion {
	var versions []schema.GroupVersion
	for _, v := range info.PrioritizedVersions {
		if info.VersionedResourcesStorageMap[v.Version] != nil {
			versions = append(versions, v)
		}
	}
	return versions
}
