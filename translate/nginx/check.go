package nginx

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxPath is the longest path: nginx keeps a location's length in one byte.
const maxPath = 250

// maxText is the longest word of any other kind. nginx reads words of up to 4,096 bytes, and escapes may double it.
const maxText = 2000

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)
	siteName = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	fileName = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)

	// rewriteVariables are the groups of the location's regular expression.
	rewriteVariables = regexp.MustCompile(`^\$[1-9]`)
	// redirectVariables hold what the client sent, escaped as it sent it: $uri is unescaped, and could end the header.
	redirectVariables = regexp.MustCompile(`^\$(request_uri|host|scheme|args|is_args)\b`)
)

// checkText refuses what nginx cannot read as one word.
func checkText(text string) error {
	switch {
	case len(text) > maxText:
		return fmt.Errorf("is longer than %d bytes", maxText)
	case !utf8.ValidString(text):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("has a control character")
	}
	return nil
}

func checkVariables(text string, variables *regexp.Regexp) error {
	for i := strings.IndexByte(text, '$'); i >= 0; {
		if !variables.MatchString(text[i:]) {
			return fmt.Errorf("has a \"$\" that begins none of %s", described(variables))
		}
		next := strings.IndexByte(text[i+1:], '$')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return nil
}

func described(variables *regexp.Regexp) string {
	if variables == rewriteVariables {
		return "$1 to $9"
	}
	return "$request_uri, $host, $scheme, $args, $is_args"
}

func checkResolver(address string) error {
	if _, err := netip.ParseAddrPort(address); err == nil {
		return nil
	}
	if a, err := netip.ParseAddr(address); err != nil || !a.Is4() {
		return fmt.Errorf("resolver %q is no IPv4 address", address)
	}
	return nil
}

func checkPort(port int32) error {
	if port < 1 || port > 65535 {
		return fmt.Errorf("port %d is not between 1 and 65535", port)
	}
	return nil
}

// plainPath is a path as nginx compares it: unescaped.
func plainPath(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("path %q does not begin with \"/\"", path)
	}
	if len(path) > maxPath {
		return fmt.Errorf("path is longer than %d bytes", maxPath)
	}
	if err := checkText(plainPath(path)); err != nil {
		return fmt.Errorf("path %q %w", path, err)
	}
	return nil
}

func checkFile(path string) error {
	if path != "" && (!fileName.MatchString(path) || len(path) > maxText) {
		return fmt.Errorf("%q is not the path of a file in letters, digits, \"-\", \"_\" and \".\"", path)
	}
	return nil
}

// CheckSource says whether an entry of a whitelist is an IP address or a CIDR block.
func CheckSource(source string) error {
	_, err := sourcePrefix(source)
	return err
}

// sourcePrefix is an entry of a whitelist without host bits, of which nginx would complain.
func sourcePrefix(source string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(source); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(source)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a CIDR block", source)
	}
	return p.Masked(), nil
}

// CheckRedirect says whether a URL can be redirected to: http, https, or a path of the same host.
func CheckRedirect(to string) error {
	if err := checkText(to); err != nil {
		return fmt.Errorf("%q %w", to, err)
	}
	if strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%q has a character that has to be escaped in a URL", to)
	}
	if !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "http://") && !strings.HasPrefix(to, "https://") {
		return fmt.Errorf("%q begins neither with \"http://\" or \"https://\" nor with \"/\"", to)
	}
	if err := checkVariables(to, redirectVariables); err != nil {
		return fmt.Errorf("%q %w", to, err)
	}
	return nil
}

// CheckRewrite says whether a path can be rewritten to, groups being how many the location's regular expression has.
func CheckRewrite(to string, groups int) error {
	if !strings.HasPrefix(to, "/") {
		return fmt.Errorf("%q does not begin with \"/\"", to)
	}
	if err := errors.Join(checkText(to), checkVariables(to, rewriteVariables)); err != nil {
		return fmt.Errorf("%q %w", to, err)
	}
	for i := range len(to) - 1 {
		if to[i] == '$' && int(to[i+1]-'0') > groups {
			return fmt.Errorf("%q has $%c, and the path has %d groups", to, to[i+1], groups)
		}
	}
	return nil
}
