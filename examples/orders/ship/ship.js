// SPDX-License-Identifier: Apache-2.0
// Ships billed orders: a handler of events. An event may be delivered twice, even
// to two instances at the same time. A lock gives each order to one courier at a
// time, and the key of the order must be absent, so that it is shipped once.
import { Service } from "slight:lockd/locks@0.2.0";
import { Bucket } from "slight:kv/store@0.2.0";

const text = (bytes) => String.fromCharCode(...bytes);
const bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

export const handler = {
    handle(resourceName, event) {
        const id = text(event.payload);
        try {
            // Released when this instance ends; if it is killed, after the time to live.
            const courier = Service.open("couriers").acquire(id, {
                ttlMs: 2000,
                waitMs: 5000,
                keepAlive: true,
            });
            Bucket.open("shipped").setWith(
                `order/${id}`,
                bytes(`courier ${courier.fencingToken()}`),
                { condition: { tag: "absent" } },
            );
        } catch (error) {
            // An earlier delivery of this event shipped the order.
            if (error.payload?.code === "already-exists") return;
            throw { tag: "retry", val: error.payload?.message ?? String(error) };
        }
    },
};
