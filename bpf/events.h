/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Opening, reading and closing on kernels whose tracing programs have no socket storage (before 5.11, a50a85e40c59). Loaded instead of
 * rcv_space_adjust and inet_sock_set_state:
 *
 *   socket_state    sock_ops, called when a connection is accepted; it subscribes to the changes of state of that socket, which is the
 *                   one thing that reqtally changes in a kernel, and changes no traffic
 *   socket_release  for connections that were open before: called when the program closes the socket
 *   read_port       who reads from the sockets of a port; without the socket's storage it cannot say which request, so there is no
 *                   queue time
 */
#ifndef RT_EVENTS_H
#define RT_EVENTS_H

#ifndef SOCK_STREAM
#define SOCK_STREAM 1
#endif

#include "finish.h"

/* As bpf_sk_cgroup_id() tells it, for packets: the socket's cgroup, or the root if it has none of the second hierarchy. */
static __always_inline __u64 cgroup_of_sock(struct sock *sk)
{
	struct cgroup *cgroup;

	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup)) { /* 5.15, 8520e224f547 */
		cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	} else {
		__u64 v = BPF_CORE_READ(sk, sk_cgrp_data.val);
		cgroup = v & 3 ? 0 : (struct cgroup *)v;
	}
	return cgroup ? BPF_CORE_READ(cgroup, kn, id) : 1;
}

SEC("sockops")
int socket_state(struct bpf_sock_ops *ops)
{
	struct bpf_sock *owner = ops->sk;

	if (!owner)
		return 1;
	struct sock *sk = (struct sock *)bpf_skc_to_tcp_sock(owner);
	if (!sk)
		return 1;
	if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
		bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		server_port(ops->local_port);
		connection_take_over(owner, sk);
	} else if (ops->op == BPF_SOCK_OPS_TCP_LISTEN_CB) {
		server_port(ops->local_port);
		listener_count(cgroup_of_sock(sk), ops->local_port, RT_VERDICTS, 1);
	} else if (ops->op == BPF_SOCK_OPS_STATE_CB && ops->args[1] == BPF_TCP_CLOSE) {
		connection_closed(ops, BY_STATE, owner, sk);
	}
	return 1;
}

/* Is socket_state told of this socket's end? */
static __always_inline int events_follow(void *owner)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(owner);
	return tp && (tp->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG);
}

SEC("cgroup/sock_release")
int socket_release(struct bpf_sock *owner)
{
	/* In any other state the kernel is about to send a FIN or a reset, which egress sees. */
	if (owner->type != SOCK_STREAM || owner->state != BPF_TCP_CLOSE)
		return 1;
	struct connection *c = bpf_sk_storage_get(&connections, owner, 0, 0);
	if (!c)
		return 1;
	struct pipeline *l = bpf_sk_storage_get(&pipelines, owner, 0, 0);
	if (c->kind != CONNECTION_DEAD || c->tx_pos != c->rx_pos)
		finish_all(owner, BY_RELEASE, c, l, bpf_ktime_get_ns(), 1);
	/* As connection_forget(). The states go with the socket: these programs have no bpf_sk_storage_delete(). */
	if (c->counted)
		usage_add(RT_USAGE_CONNECTIONS, -1);
	if (l)
		usage_add(RT_USAGE_PIPELINES, -1);
	c->counted = 0;
	return 1;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(read_port, struct sock *sk)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct rt_port_key key = {.port = sk->__sk_common.skc_num};

	key.cgroup_id = cgroup_of_sock(sk);
	if (!bpf_map_lookup_elem(&listeners, &key))
		return 0;
	__u64 *last = bpf_map_lookup_elem(&guesses, &key);
	if (last) {
		struct rt_service *s = bpf_map_lookup_elem(&services, last);
		if (s && s->tgid == tgid && s->cgroup_id == bpf_get_current_cgroup_id())
			return 0;
	}
	service_identify(key.cgroup_id, key.port, tgid);
	return 0;
}

#endif
