package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
)

// puller remembers of a container's image what failed. Only the one start of its unit that is under way touches it.
type puller struct {
	hold  backoff
	cause string // why the last pull failed
}

// soon is how long a container shows ErrImagePull before it shows that it waits.
const soon = 3 * time.Second

// The words of a kubelet.
const (
	errImagePull     = "ErrImagePull"
	imagePullBackOff = "ImagePullBackOff"
	errNeverPull     = "ErrImageNeverPull"
	imageInspectErr  = "ImageInspectError"
	invalidImageName = "InvalidImageName"
)

// ensure has the container's image on the node, by its pull policy.
func (s *Sandbox) ensure(ctx context.Context, u *unit) (Image, *startError) {
	c := u.spec
	ref, err := normal(c.Image)
	if err != nil {
		m := fmt.Sprintf("Failed to apply default image tag %q: couldn't parse image name %q: %v", c.Image, c.Image, err)
		return Image{}, s.noImage(u, "InspectFailed", &startError{reason: invalidImageName, message: m})
	}
	if c.ImagePullPolicy != corev1.PullAlways {
		i, err := s.Engine.Image(ctx, ref)
		switch {
		case err == nil:
			s.tell(u, corev1.EventTypeNormal, "Pulled",
				fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", c.Image))
			return i, nil
		case !isMissing(err):
			m := fmt.Sprintf("Failed to inspect image %q: %v", c.Image, err)
			return Image{}, s.noImage(u, "InspectFailed", &startError{reason: imageInspectErr, message: m})
		case c.ImagePullPolicy == corev1.PullNever:
			m := fmt.Sprintf("Container image %q is not present with pull policy of Never", c.Image)
			return Image{}, s.noImage(u, errNeverPull, &startError{reason: errNeverPull, message: m})
		}
	}
	return s.pull(ctx, u, ref)
}

// noImage tells of an image that the container cannot have, other than by a failed pull.
func (s *Sandbox) noImage(u *unit, event string, e *startError) *startError {
	s.tell(u, corev1.EventTypeWarning, event, e.message)
	e.event = "Error: " + e.reason
	return e
}

func (s *Sandbox) pull(ctx context.Context, u *unit, ref string) (Image, *startError) {
	name, p := u.spec.Image, &u.image
	if wait := p.hold.left(time.Now(), p.hold.updated); wait > 0 {
		m := fmt.Sprintf("Back-off pulling image %q", name)
		s.tell(u, corev1.EventTypeNormal, "BackOff", m)
		return Image{}, &startError{
			reason: imagePullBackOff, message: m + ": " + errImagePull + ": " + p.cause,
			event: "Error: " + imagePullBackOff, retry: wait,
		}
	}
	s.tell(u, corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", name))
	began := time.Now()
	err := s.Engine.Pull(ctx, ref, s.Maker.RegistryAuth(ref))
	var i Image
	if err == nil {
		i, err = s.Engine.Image(ctx, ref)
	}
	if ctx.Err() != nil {
		return Image{}, &startError{} // given up: the Pod ends
	}
	if err != nil {
		s.tell(u, corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %s", name, words(err)))
		now := time.Now()
		p.hold.next(now, now)
		p.cause = words(err)
		return Image{}, &startError{
			reason: errImagePull, message: p.cause, event: "Error: " + errImagePull, retry: soon,
		}
	}
	took := time.Since(began).Truncate(time.Millisecond)
	s.tell(u, corev1.EventTypeNormal, "Pulled", fmt.Sprintf(
		"Successfully pulled image %q in %v (%v including waiting). Image size: %d bytes.", name, took, took, i.Size))
	return i, nil
}

// normal is the image's name with the tag that is meant.
func normal(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", err
	}
	return reference.FamiliarString(reference.TagNameOnly(named)), nil
}
