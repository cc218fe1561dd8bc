package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"skep/compose"
)

// convertPath is where Compose files are sent to. It is behind the API's own chain: who may not use the API may not convert.
const convertPath = "/convert"

const (
	// maxConvert is the largest body of a conversion, in bytes.
	maxConvert = 1 << 20
	// convertTimeout is how long one may take.
	convertTimeout = 10 * time.Second
	// convertTogether is how many may run at once: each holds some ten MiB.
	convertTogether = 4
)

// conversions answers POST /convert as skep convert does, but that it reads nothing of this machine, neither files nor
// variables, and does not look at the Swarm.
type conversions struct {
	slots   chan struct{}
	timeout time.Duration
	run     func(ctx context.Context, r compose.Request) (*compose.Output, error)
}

func newConversions() *conversions {
	return &conversions{slots: make(chan struct{}, convertTogether), timeout: convertTimeout, run: compose.Run}
}

// handler is the route, for the API server to put behind who may ask.
func (v *conversions) handler() http.Handler {
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.POST(convertPath, v.convert)
	engine.NoMethod(func(c *gin.Context) {
		refuse(c, refusal(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "send a Compose file with POST"))
	})
	return engine
}

func (v *conversions) convert(c *gin.Context) {
	request, err := conversionRequest(c)
	if err != nil {
		refuse(c, err)
		return
	}
	select {
	case v.slots <- struct{}{}:
	default:
		refuse(c, apierrors.NewTooManyRequests("as many conversions as may run at once are under way", 1))
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), v.timeout)
	defer cancel()
	type outcome struct {
		out *compose.Output
		err error
	}
	done := make(chan outcome, 1)
	go func() { // it holds its slot to its end, even when nobody waits for it
		defer func() { <-v.slots }()
		var o outcome
		defer func() { done <- o }()
		defer func() {
			if what := recover(); what != nil {
				klog.ErrorS(nil, "panic", "path", convertPath, "what", what)
				o.err = apierrors.NewInternalError(errors.New("the conversion failed"))
			}
		}()
		o.out, o.err = v.run(ctx, request)
	}()
	select {
	case <-ctx.Done():
		refuse(c, apierrors.NewTimeoutError("the conversion takes too long: send a smaller file", 0))
	case o := <-done:
		if o.err != nil {
			refuse(c, unconverted(o.err))
			return
		}
		answer(c, request, o.out)
	}
}

// conversionRequest is what a request asks for: a flag of skep convert for each parameter, and the files in the body.
func conversionRequest(c *gin.Context) (compose.Request, error) {
	var r compose.Request
	flags := pflag.NewFlagSet("convert", pflag.ContinueOnError)
	r.Flags(flags)
	for name, values := range c.Request.URL.Query() {
		flag := flags.Lookup(name)
		if flag == nil {
			return r, apierrors.NewBadRequest(fmt.Sprintf("there is no parameter %q: there is %s", name, flagNames(flags)))
		}
		for _, value := range values {
			if value == "" && flag.Value.Type() == "bool" {
				value = "true" // ?strict
			}
			if err := flags.Set(name, value); err != nil {
				return r, apierrors.NewBadRequest(err.Error())
			}
		}
	}
	if err := r.Check(); err != nil {
		return r, apierrors.NewBadRequest(err.Error())
	}
	return r, sentFiles(c, &r.Input)
}

func flagNames(flags *pflag.FlagSet) string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return strings.Join(names, ", ")
}

// sentFiles are the files in a body: it is one, or a form with several, each laid over those before it. Of a form those
// that are named env-file are of variables.
func sentFiles(c *gin.Context, in *compose.Input) error {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxConvert)
	kind, _, err := mime.ParseMediaType(c.ContentType())
	if err != nil && c.ContentType() != "" {
		return apierrors.NewBadRequest("Content-Type: " + err.Error())
	}
	switch kind {
	case "multipart/form-data":
		return sentForm(c.Request, in)
	case "", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain", "application/json", "application/octet-stream",
		"application/x-www-form-urlencoded": // which is what curl --data-binary says of a file
		data, err := io.ReadAll(c.Request.Body)
		if err != nil {
			return unread(err)
		}
		in.Files = []compose.Source{{Name: "body", Data: data}}
		return nil
	}
	return refusal(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType,
		fmt.Sprintf("the body is %s: send a Compose file as application/yaml, or several as multipart/form-data", kind))
}

func sentForm(r *http.Request, in *compose.Input) error {
	form, err := r.MultipartReader()
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unread(err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return unread(err)
		}
		source := compose.Source{Name: part.FormName(), Data: data}
		if name := path.Base(strings.ReplaceAll(part.FileName(), `\`, "/")); part.FileName() != "" {
			source.Name = name
		}
		switch part.FormName() {
		case "file":
			in.Files = append(in.Files, source)
		case "env-file":
			in.EnvFiles = append(in.EnvFiles, source)
		default:
			return apierrors.NewBadRequest(fmt.Sprintf("the form has a part %q: there is file and env-file", part.FormName()))
		}
	}
	if len(in.Files) == 0 {
		return apierrors.NewBadRequest(`the form has no file: send one as a part named "file"`)
	}
	return nil
}

// unread says why a body could not be read.
func unread(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("all files together may have %d KiB", maxConvert>>10))
	}
	return apierrors.NewBadRequest(err.Error())
}
