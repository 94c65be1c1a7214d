//go:build unix && !linux

package localpg

import "syscall"

// endWithUs does nothing where the kernel knows no death signal. A server that
// was left behind is found by the next Start, which attaches to it.
func endWithUs(*syscall.SysProcAttr, syscall.Signal) {}
