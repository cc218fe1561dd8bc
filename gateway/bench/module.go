package bench

import (
	"errors"
	"os"
	"path/filepath"
)

// Module is the folder of this module; tests run in the folder of their package, which may be below it.
func Module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New("there is no go.mod above " + dir)
		}
	}
}
