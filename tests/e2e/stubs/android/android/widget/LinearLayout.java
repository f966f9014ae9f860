package android.widget;

import android.content.Context;
import android.view.View;

/** What the example app uses of it. */
public class LinearLayout extends View {
    public static final int VERTICAL = 1;
    private int orientation;

    public LinearLayout(Context context) {
        super(context);
    }

    public void setOrientation(int orientation) {
        this.orientation = orientation;
    }

    public int getOrientation() {
        return orientation;
    }

    public void addView(View child) {}
}
