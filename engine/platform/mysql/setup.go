package mysql

import "errors"

// SetupSQL is what the administrator of a server runs once, so that the engine
// can work there without being one.
func SetupSQL(engineUser, password string, databases ...string) (string, error) {
	_, _, _ = engineUser, password, databases
	return "", errors.New("write setup: not implemented yet")
}
