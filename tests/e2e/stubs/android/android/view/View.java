package android.view;

import android.content.Context;

/** What the example app uses of it. */
public class View {
    public View(Context context) {}

    public interface OnClickListener {
        void onClick(View view);
    }

    public void setOnClickListener(OnClickListener listener) {}

    public void setContentDescription(CharSequence text) {}

    public CharSequence getContentDescription() {
        return null;
    }

    public void setEnabled(boolean enabled) {}

    public boolean isEnabled() {
        return true;
    }
}
