package swarm

import (
	"context"
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
)

// Sealer encrypts what must not be read by everyone with the Docker API.
type Sealer struct {
	key         []byte
	transformer value.Transformer
}

// NewSealer takes a key of 32 bytes: AES-256 in GCM, by the API server's own transformer.
func NewSealer(key []byte) (Sealer, error) {
	if len(key) != 32 {
		return Sealer{}, fmt.Errorf("the sealing key has %d bytes, not 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Sealer{}, fmt.Errorf("sealing key: %w", err)
	}
	transformer, err := aestransformer.NewGCMTransformer(block)
	if err != nil {
		return Sealer{}, fmt.Errorf("sealing key: %w", err)
	}
	return Sealer{key, transformer}, nil
}

// errSealedByAnother says what to do when a document cannot be opened. It holds nothing of its content.
var errSealedByAnother = errors.New("it was sealed with another key: start skep with the --data-dir whose sealing key made it")

// Seal encrypts plain; about is authenticated with it and has to be the same to open it.
func (s Sealer) Seal(plain []byte, about string) (string, error) {
	out, err := s.transformer.TransformToStorage(context.Background(), plain, value.DefaultContext(about))
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(out), nil
}

// Open decrypts what Seal gave.
func (s Sealer) Open(sealed, about string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errSealedByAnother
	}
	plain, _, err := s.transformer.TransformFromStorage(context.Background(), raw, value.DefaultContext(about))
	if err != nil {
		return nil, errSealedByAnother
	}
	return plain, nil
}

// Digest names content without giving it away: a hash that only the key's holder can make. 32 hex digits.
func (s Sealer) Digest(data []byte) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(data)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
