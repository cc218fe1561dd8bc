package gateway

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"skep/compose"
)

// conversion is an answer in JSON.
type conversion struct {
	Files    map[string]string `json:"files"`
	Binary   map[string][]byte `json:"binary,omitempty"` // those that are no text
	Findings []compose.Finding `json:"findings"`
	Fill     []compose.Fill    `json:"fill"`
	Report   string            `json:"report,omitempty"`
}

// answer gives what came out: the report where one is asked for, a stream where that says it all, an archive of files
// otherwise; or all of it as JSON.
func answer(c *gin.Context, r compose.Request, out *compose.Output) {
	findingsInHeader(c, out.Result.Findings)
	kind, several := "application/yaml", r.To == compose.FormatKustomize || r.To == compose.FormatHelm || r.To == compose.FormatCompose && len(out.Files) > 1
	switch {
	case r.Report == compose.ReportHTML:
		kind = "text/html; charset=utf-8"
	case r.Report == compose.ReportMarkdown:
		kind = "text/markdown; charset=utf-8"
	case r.Report != "":
		kind = "application/json; charset=utf-8"
	case several:
		kind = "application/gzip"
	}
	switch {
	case c.NegotiateFormat(strings.TrimSuffix(kind, "; charset=utf-8"), "application/json") == "application/json" && r.Report != compose.ReportJSON:
		c.JSON(http.StatusOK, inJSON(out))
	case r.Report != "":
		c.Data(http.StatusOK, kind, out.Report)
	case several:
		name := out.Result.Name
		if name == "" {
			name = "stack"
		}
		c.Header("Content-Disposition", "attachment; filename="+strconv.Quote(name+"-"+string(r.To)+".tar.gz"))
		c.Header("Content-Type", kind)
		c.Status(http.StatusOK)
		_ = archive(c, name, out.Files) // only the client can have gone
	default:
		c.Data(http.StatusOK, kind, compose.Stream(out.Files))
	}
}

// mostWarnings is how many findings go into headers, which clients hold to some ten KiB.
const mostWarnings = 20

// findingsInHeader has the findings told to who takes the answer as it is: kubectl prints such headers.
func findingsInHeader(c *gin.Context, findings []compose.Finding) {
	for i, f := range findings {
		text := f.String()
		if i == mostWarnings && len(findings) > mostWarnings+1 {
			text = fmt.Sprintf("%d more findings: ask for application/json", len(findings)-mostWarnings)
		}
		if warning, err := utilnet.NewWarningHeader(299, "skep", text); err == nil {
			c.Writer.Header().Add("Warning", warning)
		}
		if i == mostWarnings {
			return
		}
	}
}

func inJSON(out *compose.Output) *conversion {
	all := &conversion{Files: map[string]string{}, Findings: out.Result.Findings, Fill: out.Result.Fill, Report: string(out.Report)}
	for name, data := range out.Files {
		if utf8.Valid(data) {
			all.Files[name] = string(data)
			continue
		}
		if all.Binary == nil {
			all.Binary = map[string][]byte{}
		}
		all.Binary[name] = data
	}
	if all.Findings == nil {
		all.Findings = []compose.Finding{}
	}
	if all.Fill == nil {
		all.Fill = []compose.Fill{}
	}
	return all
}

// archive writes files as a compressed archive, the same bytes for the same files.
func archive(c *gin.Context, dir string, files map[string][]byte) error {
	zipped := gzip.NewWriter(c.Writer)
	out := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := out.WriteHeader(&tar.Header{Name: dir + "/" + name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			return err
		}
		if _, err := out.Write(files[name]); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), zipped.Close())
}

// unconverted is what Kubernetes' clients understand of why there is no result.
func unconverted(err error) error {
	var strict *compose.StrictError
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return apierrors.NewTimeoutError("the conversion takes too long: send a smaller file", 0)
	}
	invalid := refusal(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, err.Error())
	if errors.As(err, &strict) {
		invalid.ErrStatus.Details = &metav1.StatusDetails{}
		for _, f := range strict.Findings {
			invalid.ErrStatus.Details.Causes = append(invalid.ErrStatus.Details.Causes, metav1.StatusCause{
				Type: metav1.CauseTypeFieldValueNotSupported, Field: f.Path, Message: f.String(),
			})
		}
	}
	return invalid
}

// refusal is an error in Kubernetes' form.
func refusal(code int32, reason metav1.StatusReason, message string) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

// refuse answers with an error in Kubernetes' form.
func refuse(c *gin.Context, err error) {
	status := apierrors.NewInternalError(err).ErrStatus
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status = known.Status()
	}
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		c.Header("Retry-After", strconv.Itoa(int(status.Details.RetryAfterSeconds)))
	}
	c.AbortWithStatusJSON(int(status.Code), status)
}
