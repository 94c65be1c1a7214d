package localpg

import "syscall"

// endWithUs lets the kernel send sig to the child when the thread that started
// it dies.
func endWithUs(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
