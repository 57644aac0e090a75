/** How long others may keep the key set. A new key must be published this long before it signs. */
export const keySetMaxAgeSeconds = 300
