// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The hooks of reqtally with nothing behind them: what the hooks alone cost. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct sock;

SEC("cgroup_skb/ingress")
int empty_ingress(struct __sk_buff *skb)
{
	return 1;
}

SEC("cgroup_skb/egress")
int empty_egress(struct __sk_buff *skb)
{
	return 1;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(empty_read, struct sock *sk)
{
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(empty_state, struct sock *sk)
{
	return 0;
}
