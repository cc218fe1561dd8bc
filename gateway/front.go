package gateway

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
)

// maxBody is the largest request body that the front lets through, in bytes; the API server's own limit
// for objects is lower and answers in Kubernetes' words.
const maxBody = 8 << 20

var requests = metrics.NewHistogramVec(&metrics.HistogramOpts{
	Name: "skep_http_request_duration_seconds", Help: "Requests at the front by method and code, long-running ones left out.",
	Buckets: metrics.ExponentialBuckets(0.0005, 2, 14), StabilityLevel: metrics.ALPHA,
}, []string{"method", "code"})

//go:embed page.html
var page []byte

// front puts gin before the API server's handler.
func front(api http.Handler) http.Handler {
	legacyregistry.MustRegister(requests)
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.Use(requestID, accessLog, gin.CustomRecoveryWithWriter(nil, recovered), headers, limitBody)
	zipped := compressed(api)
	through := func(c *gin.Context) {
		c.Status(http.StatusOK) // gin begins an unknown route with 404; the API server decides
		if c.Request.Method != http.MethodGet || streams(c.Request) {
			c.Request.Header.Del("Accept-Encoding")
			api.ServeHTTP(c.Writer, c.Request)
			return
		}
		zipped.ServeHTTP(c.Writer, c.Request)
	}
	engine.GET("/", func(c *gin.Context) {
		if !strings.Contains(c.GetHeader("Accept"), "text/html") {
			through(c)
			return
		}
		c.Data(http.StatusOK, "text/html; charset=utf-8", page)
	})
	engine.NoRoute(through)
	return engine
}

// compressLeast is the size from which an answer is compressed, in bytes: kube-apiserver's.
const compressLeast = 128 << 10

// compressed has large answers compressed by a faster gzip than the API server's own, which takes most of
// the time of a large list.
func compressed(api http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(compressLeast), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.KeepAcceptRanges())
	if err != nil {
		return api // the options are constants: they are right
	}
	return wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept-Encoding")
		api.ServeHTTP(w, r)
	}))
}

// requestID gives each request a name, the client's own where it sent one that is fit for a log.
func requestID(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		raw := make([]byte, 8)
		_, _ = rand.Read(raw)
		id = hex.EncodeToString(raw)
	}
	c.Set("request", id)
	c.Header("X-Request-Id", id)
}

func accessLog(c *gin.Context) {
	began := time.Now()
	c.Next()
	took, code := time.Since(began), c.Writer.Status()
	if !streams(c.Request) {
		requests.WithLabelValues(c.Request.Method, strconv.Itoa(code)).Observe(took.Seconds())
	}
	klog.InfoS("request", "id", c.GetString("request"), "method", c.Request.Method, "path", c.Request.URL.Path,
		"code", code, "bytes", c.Writer.Size(), "took", took.Round(time.Microsecond), "from", c.Request.RemoteAddr, "agent", c.Request.UserAgent())
}

// streams says whether an answer goes on until someone ends it.
func streams(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("watch") == "true" || q.Get("watch") == "1" || strings.HasSuffix(r.URL.Path, "/log") ||
		strings.Contains(r.URL.Path, "/watch/") || r.Header.Get("Upgrade") != ""
}

func recovered(c *gin.Context, what any) {
	if what == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		panic(what) // how the API server ends a response that it cannot complete
	}
	klog.ErrorS(nil, "panic", "id", c.GetString("request"), "path", c.Request.URL.Path, "what", what)
	c.AbortWithStatus(http.StatusInternalServerError)
}

func headers(c *gin.Context) {
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("X-Frame-Options", "DENY")
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
}

func limitBody(c *gin.Context) {
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	}
}
