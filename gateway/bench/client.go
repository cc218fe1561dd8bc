package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// A Client sends requests one at a time and times them. Connections are kept alive; a Kubernetes client's transport
// is client-go's own (HTTP/2, gzip for what the server compresses). Not for concurrent use, but for its watches.
type Client struct {
	http   *http.Client
	base   string
	body   bytes.Buffer // of the last answer
	config *rest.Config // of a Kubernetes client
}

// NewKubernetesClient is a client for the API server that config names, with the credentials in it.
func NewKubernetesClient(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "skep-bench"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	return &Client{http: client, base: strings.TrimSuffix(config.Host, "/"), config: config}, nil
}

// Config is how a Kubernetes client reaches its server.
func (c *Client) Config() *rest.Config { return rest.CopyConfig(c.config) }

// Another is a client of the same Kubernetes API server with a connection of its own, as another program would have.
func (c *Client) Another() (*Client, error) {
	config := c.Config()
	config.Dial = new(net.Dialer).DialContext // client-go shares connections between configs that have the same one
	return NewKubernetesClient(config)
}

// Close ends connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NewEngineClient is a client for the Docker Engine API on a unix socket.
func NewEngineClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, base: "http://docker"}
}

// Request is what is sent. Path includes the query. No Accept asks for JSON; a Body is JSON unless ContentType says
// otherwise.
type Request struct {
	Method, Path        string
	Accept, ContentType string
	Uncompressed        bool
	Body                []byte
}

// Answer is what came back. Took runs from before the request was sent until the last byte of Body was there
// (uncompressed). Body is valid until the client's next request.
type Answer struct {
	Took     time.Duration
	Protocol string
	Body     []byte
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Request string
	Code    int
	Body    string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: %d %s", e.Request, e.Code, e.Body) }

// Do sends a request and reads the whole answer.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	request, err := c.request(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	start := time.Now()
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	c.body.Reset()
	if _, err := c.body.ReadFrom(response.Body); err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	took := time.Since(start)
	if response.StatusCode/100 != 2 {
		text := c.body.String()
		return Answer{}, &StatusError{r.Method + " " + r.Path, response.StatusCode, text[:min(len(text), 500)]}
	}
	return Answer{Took: took, Protocol: response.Proto, Body: c.body.Bytes()}, nil
}

// Open sends a GET and returns the answer's body, which is yet to be read.
func (c *Client) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := c.request(ctx, Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // the status says enough
		return nil, &StatusError{"GET " + path, response.StatusCode, ""}
	}
	return response.Body, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, c.base+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if r.Accept != "" {
		request.Header.Set("Accept", r.Accept)
	}
	if r.Uncompressed {
		request.Header.Set("Accept-Encoding", "identity")
	}
	if len(r.Body) > 0 {
		request.Header.Set("Content-Type", "application/json")
		if r.ContentType != "" {
			request.Header.Set("Content-Type", r.ContentType)
		}
	}
	return request, nil
}

// ready is nil when the server's own checks all pass.
func (c *Client) ready(ctx context.Context) error { return c.has("/readyz")(ctx) }

// has is nil when a path can be got.
func (c *Client) has(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path})
		return err
	}
}
